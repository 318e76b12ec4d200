# syntax=docker/dockerfile:1
# imgkit for a machine without a GPU; docs/docker.md says how to build and to run it.

FROM python:3.13-slim-bookworm AS build
# A folder called wheels is used where there is one; with PIP_NO_INDEX=1 nothing is taken from elsewhere.
ARG PIP_NO_INDEX=
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PIP_FIND_LINKS=/source/wheels PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY constraints/cpu.txt wheels* /source/wheels/
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN python -m venv /opt/imgkit && /opt/imgkit/bin/pip install --constraint wheels/cpu.txt .

FROM python:3.13-slim-bookworm
COPY --from=build /opt/imgkit /opt/imgkit
# Any user may run it: what is written goes to these two folders, and to /tmp.
RUN mkdir /project /weights && chmod 1777 /project /weights
ENV PATH=/opt/imgkit/bin:$PATH HOME=/tmp HF_HOME=/weights PYTHONUNBUFFERED=1
WORKDIR /project
USER nobody
ENTRYPOINT ["imgkit"]
CMD ["--help"]
