"""Show a report as a table in a notebook, and give it to pandas."""

import html
from collections.abc import Sequence
from typing import Any


class TableReport:
    """A report that has one main table. Subclasses return it from ``table``."""

    __slots__ = ()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return the names of the columns, and the rows."""
        raise NotImplementedError

    def headline(self) -> str:
        """Return the result in one sentence, "" where there is none."""
        return ""

    def to_pandas(self) -> Any:  # noqa: ANN401  (pandas is not a dependency)
        """Return the table as a pandas ``DataFrame``.

        Raises:
            ModuleNotFoundError: pandas is not installed; the message says how to install it.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "to_pandas needs pandas. Install it: pip install pandas", name="pandas"
            ) from error
        columns, rows = self.table()
        return pandas.DataFrame([list(row) for row in rows], columns=list(columns))

    def _repr_html_(self) -> str:
        columns, rows = self.table()
        head = "".join(f"<th>{html.escape(str(each))}</th>" for each in columns)
        body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
        first = f"<p>{html.escape(self.headline())}</p>" if self.headline() else ""
        return f"{first}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f'<td style="text-align:right">{value:,}</td>'
    if isinstance(value, float):
        return f'<td style="text-align:right">{value:.3f}</td>'
    return f'<td style="text-align:left">{html.escape(str(value))}</td>'
