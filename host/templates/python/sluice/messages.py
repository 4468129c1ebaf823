"""Heads of requests and answers."""

from .convert import bytes_of, edit, text


class _Message:
    """What requests and responses have in common."""

    def __init__(self, raw):
        self._raw = raw

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        value = self._raw.header(name)
        return None if value is None else text(value)

    def header_values(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return [text(value) for value in self._raw.header_values(name)]

    def headers(self) -> list[tuple[str, str]]:
        """All fields in order."""
        return [(each.name, text(each.value)) for each in self._raw.headers()]

    def set_header(self, name: str, value: str | bytes) -> None:
        edit(self._raw.set_header, name, bytes_of(value))

    def append_header(self, name: str, value: str | bytes) -> None:
        edit(self._raw.append_header, name, bytes_of(value))

    def remove_header(self, name: str) -> None:
        edit(self._raw.remove_header, name)


class Request(_Message):
    """The request. Can be changed in the hooks of the request phase."""

    @property
    def method(self) -> str:
        return self._raw.method()

    @method.setter
    def method(self, value: str) -> None:
        edit(self._raw.set_method, value)

    @property
    def scheme(self) -> str:
        return self._raw.scheme()

    @property
    def authority(self) -> str:
        return self._raw.authority()

    @property
    def path(self) -> str:
        """Normalized and percent-encoded, without the query."""
        return self._raw.path()

    @path.setter
    def path(self, value: str) -> None:
        edit(self._raw.set_path, value)

    @property
    def query(self) -> str | None:
        return self._raw.query()

    @query.setter
    def query(self, value: str | None) -> None:
        edit(self._raw.set_query, value)

    def capture(self, name: str) -> str | None:
        """What `{name}` in the route's path matched."""
        return self._raw.capture(name)


class Response(_Message):
    """The answer on its way to the client."""

    @property
    def status(self) -> int:
        return self._raw.status()

    @status.setter
    def status(self, value: int) -> None:
        edit(self._raw.set_status, value)

    @property
    def origin(self) -> str:
        """`upstream`, `plugin` or `gateway`."""
        return self._raw.origin().name.lower()
