"""What the services and hosts know of the world while it is served: hits for a query, addresses, bytes."""

from collections.abc import Mapping
from dataclasses import dataclass

from imgkit.demo.drawing.render import Drawings, shrunk
from imgkit.demo.world import World, WorldPicture


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPicture:
    """A picture as a service lists it."""

    picture: WorldPicture
    url: str
    page_url: str
    width: int
    height: int

    @property
    def number(self) -> int:
        """A number for services that name pictures by one."""
        return self.picture.number


@dataclass(frozen=True, slots=True)
class Index:
    """The world behind the running sites."""

    world: World
    sites: Mapping[str, str]
    drawings: Drawings

    def search(self, provider: str, text: str) -> list[ListedPicture]:
        """Return a provider's hits for a query, best first."""
        return [self.hit(picture) for picture in self.world.search(provider, text)]

    def hit(self, picture: WorldPicture) -> ListedPicture:
        """Return a picture as services list it."""
        return ListedPicture(
            picture=picture,
            url=self.url(picture),
            page_url=f"http://{self.sites[picture.host]}/page/{picture.id}.html",
            width=picture.drawing.width,
            height=picture.drawing.height,
        )

    def url(self, picture: WorldPicture) -> str:
        """Return the whole address of a picture."""
        address = picture.address
        if address.startswith("/"):
            return f"http://{self.sites[picture.host]}{address}"
        for name, place in self.sites.items():
            address = address.replace(f"{{{name}}}", place)
        return address

    def sized_url(self, hit: ListedPicture, longest: int) -> str:
        """Return the address of a picture shrunk to any longest side."""
        return f"http://{self.sites[hit.picture.host]}/sized/{longest}px{hit.picture.path}"

    def thumbnail_url(self, hit: ListedPicture, width: int) -> str:
        """Return the address of a picture shrunk to a width; its host serves standard widths only."""
        return f"http://{self.sites[hit.picture.host]}/thumb/{width}px{hit.picture.path}"

    def thumbnail(self, picture: WorldPicture, longest: int) -> bytes:
        """Return the bytes of a picture shrunk to a longest side."""
        return shrunk(self.drawings.bytes_of(picture.drawing), longest)
