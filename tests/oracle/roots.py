"""Random root modules that Terraform accepts, with every form of reference; the same seed gives the same root.

All is built from `terraform_data` and `terraform_remote_state`, so nothing is downloaded. What may read what is decided by an
order of items: an item reads earlier ones only. A called module has channels (a variable, what is made of it, an output) that
know nothing of each other, each an item of its own in the caller, so modules may read each other in a circle.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

Files = dict[str, str]
REMOTE = "remote.tfstate.json"
_CALL = re.compile(r'module "(\w+)" \{\n  source = "(?:\.\.|\./modules)/(\w+)"')


@dataclass(frozen=True)
class Sizes:
    """How large a root is: its called modules, its own items, items of a channel, and how deep modules nest."""

    modules: int = 4
    items: int = 12
    inner: int = 3
    depth: int = 2


def root(seed: int | Random, sizes: Sizes = Sizes()) -> Files:
    """The files of a root by path: `main.tf`, the modules below `modules/`, a state for remote reads.

    Its variables `v0`, `v1`, … have defaults; another value for one of them is a change of the root's inputs.
    """
    return _Builder(Random(seed) if isinstance(seed, int) else seed, sizes).root()


def calls_of(files: Files) -> dict[str, str]:
    """The calls of such a root, nested ones too: key (`a__b` for "a.b") to folder."""
    found: dict[str, str] = {}
    waiting = [("", "main.tf")]
    while waiting:
        key, path = waiting.pop()
        for name, folder in _CALL.findall(files[path]):
            inner = f"{key}__{name}" if key else name
            found[inner] = f"modules/{folder}"
            waiting.append((inner, f"modules/{folder}/main.tf"))
    return found


@dataclass(frozen=True)
class Item:
    """Something that later items may read. `values` are expressions of one value each, `address` a whole for depends_on.

    `last` is the first place in the order from which on `wholes` and `address` may be read (all channels are done).
    `secret` tells of sensitive values, `secret_whole` of sensitive values in the whole.
    """

    values: tuple[str, ...]
    wholes: tuple[str, ...] = ()
    address: str = ""
    last: int = 0
    managed: bool = False
    secret: bool = False
    secret_whole: bool = False


@dataclass
class _Scope:
    """The module that is being written: its text, what can be read so far, and the names given."""

    seen: list[Item] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))
    place: int = 0

    def name(self, kind: str) -> str:
        return f"{kind}{next(self.names)}"


@dataclass(frozen=True)
class _Shape:
    """A module in `modules/`: for each channel its variable, its output and whether those are sensitive."""

    folder: str
    channels: tuple[tuple[str, str, bool, bool], ...]
    depth: int


@dataclass
class _Call:
    """A call in the making: the arguments of its channels come as their turns come."""

    shape: _Shape
    name: str
    repeat: str
    arguments: list[str]
    positions: tuple[int, ...]
    meta: str = ""


class _Builder:
    def __init__(self, random: Random, sizes: Sizes) -> None:
        self.random, self.sizes = random, sizes
        self.files: Files = {}
        self.shapes: list[_Shape] = []
        self.depth = 0  # how deep calls may nest in the module that is being written
        self.touched = False  # a sensitive value was read by what is being written

    def root(self) -> Files:
        for depth in range(self.sizes.depth):
            for _ in range(2):
                self._shape(depth)
        scope = _Scope()
        calls = [self._begin(scope, self.random.choice(self.shapes)) for _ in range(self.sizes.modules)]
        turns = self._turns(calls)
        for call in calls:
            call.positions = tuple(place for place, turn in enumerate(turns) if turn is call)
        for place, turn in enumerate(turns):
            scope.place = place
            if turn is None:
                self._item(scope, (self._resource, self._resource, self._local, self._variable, self._remote))
            else:
                self._channel(scope, turn)
        for call in calls:
            self._finish(scope, call)
        self._outside(scope)
        self.files["main.tf"] = "\n".join(scope.text)
        self.files[REMOTE] = json.dumps(_REMOTE_STATE)
        return self.files

    def _turns(self, calls: list[_Call]) -> "list[_Call | None]":
        """The order of a root: None for an item of its own. Mostly the channels of a call come in a row: no circles."""
        pieces: list[list[_Call | None]] = [[None] for _ in range(self.sizes.items)]
        circles = self.random.random() < 0.3
        for call in calls:
            row: list[_Call | None] = [call] * len(call.shape.channels)
            pieces.extend([turn] for turn in row) if circles else pieces.append(row)
        self.random.shuffle(pieces)
        return [turn for piece in pieces for turn in piece]

    def _shape(self, depth: int) -> None:
        scope, self.depth = _Scope(), depth
        channels = [self._inside(scope, number) for number in range(self.random.choice((1, 2, 2, 3)))]
        shape = _Shape(f"modules/m{len(self.shapes)}", tuple(channels), depth)
        if self.random.random() < 0.3:
            scope.text.append(self._check(scope, [item for item in scope.seen if item.managed]))
        self.files[f"{shape.folder}/main.tf"] = "\n".join(scope.text)
        self.shapes.append(shape)

    def _inside(self, scope: _Scope, number: int) -> tuple[str, str, bool, bool]:
        """One channel of a module: a variable, what is made of it, an output; it reads nothing of the others."""
        seen, scope.seen = scope.seen, []
        secret = self.random.random() < 0.25
        variable = f"in{number}"
        scope.text.append(f'variable "{variable}" {{\n{"  sensitive = true" if secret else ""}\n}}')
        scope.seen.append(Item((f"var.{variable}",), secret=secret))
        for _ in range(self.random.randint(0, self.sizes.inner)):
            deeper = self._nested if self.depth else self._resource
            self._item(scope, (self._resource, self._resource, self._local, deeper, deeper, self._remote))
        scope.text.append(self._output(scope, f"out{number}"))
        scope.seen = seen + scope.seen
        return variable, f"out{number}", secret, self.touched

    def _item(self, scope: _Scope, makers: tuple[Callable[[_Scope], None], ...]) -> None:
        self.touched = False
        self.random.choice(makers)(scope)

    # expressions

    def _value(self, scope: _Scope, *, secret: bool = True) -> str:
        """A value of any earlier item, or a literal."""
        items = [item for item in scope.seen if secret or not item.secret]
        if not items or self.random.random() < 0.1:
            return self.random.choice(('"plain"', '"é ${1 + 1} $${x}"', "1.50", "null", "true"))
        item = self.random.choice(items)
        whole = item.wholes if item.last <= scope.place and (secret or not item.secret_whole) else ()
        chosen = self.random.choice((*item.values, *whole))
        self.touched = self.touched or item.secret or (chosen in whole and item.secret_whole)
        return chosen

    def _text(self, scope: _Scope, *, secret: bool = True) -> str:
        """An expression that is text, reads up to three values, and never grows long."""
        values = [self._value(scope, secret=secret) for _ in range(self.random.randint(1, 3))]
        listed = ", ".join(values)
        return self.random.choice(
            (
                f"md5(jsonencode([{listed}]))",
                f'"x${{md5(jsonencode({values[0]}))}}"',
                f'md5(join("-", [for terraform_data in [{listed}] : jsonencode(terraform_data)]))',
                f'"%{{ for local in [{values[0]}] }}${{md5(jsonencode(local))}}%{{ endfor }}"',
                f"md5(<<-EOT\n    ${{jsonencode({values[0]})}} # module.none.id\n  EOT\n  )",
                f"md5(jsonencode({{ module = {values[0]}, (md5(jsonencode({values[-1]}))) = 1 }}))",
            )
        )

    def _repeat(self, scope: _Scope) -> tuple[str, str]:
        """How often something is there: nothing, `count` or `for_each`, known while planning though it reads unknowns."""
        kind = self.random.choice(("", "", "count", "for_each"))
        value = self._value(scope, secret=False)
        if kind == "count":
            return kind, f"  count = length([{value}, 2])"
        if kind == "for_each":
            return kind, f'  for_each = {{ "a" = jsonencode({value}), "b c" = "x" }}'
        return kind, ""

    def _waits(self, scope: _Scope) -> str:
        """A depends_on, sometimes."""
        able = [item.address for item in scope.seen if item.address and item.last <= scope.place]
        if not able or self.random.random() < 0.75:
            return ""
        chosen = sorted(set(self.random.choices(able, k=2)))
        if self.random.random() < 0.2:
            chosen = [f'"{address}"' for address in chosen]
        return f"  depends_on = [{', '.join(chosen)}]"

    # what a module is made of

    def _resource(self, scope: _Scope) -> None:
        name = scope.name("r")
        repeat, head = self._repeat(scope)
        body = [head, f"  input = {self._text(scope)}", self._waits(scope), self._lifecycle(scope)]
        if self.random.random() < 0.3:
            body.append(f"  triggers_replace = [{self._value(scope, secret=False)}]")
        if self.random.random() < 0.4:
            body.append(self._provisioner(scope))
        _block(scope, f'resource "terraform_data" "{name}"', body)
        address = f"terraform_data.{name}"
        values, wholes = _forms(address, repeat, "output")
        wholes = (*wholes, f"resource.{address}")
        hidden = self.touched
        scope.seen.append(Item(values, wholes, address, managed=True, secret=hidden, secret_whole=hidden))

    def _lifecycle(self, scope: _Scope) -> str:
        lines = []
        if self.random.random() < 0.25:
            lines.append("create_before_destroy = true")
        managed = [item.address for item in scope.seen if item.managed]
        if managed and self.random.random() < 0.3:
            lines.append(f"replace_triggered_by = [{self.random.choice(managed)}]")
        if self.random.random() < 0.15:
            lines.append("ignore_changes = [triggers_replace]")
        if self.random.random() < 0.2:
            condition = f'{self._text(scope)} != path.root && {self._text(scope)} != "x"'
            kind = self.random.choice(("precondition", "postcondition"))
            message = f'error_message = "not so: ${{jsonencode({self._value(scope, secret=False)})}}"'
            lines.append(f"{kind} {{\n      condition = {condition}\n      {message}\n    }}")
        return "  lifecycle {\n    " + "\n    ".join(lines) + "\n  }" if lines else ""

    def _provisioner(self, scope: _Scope) -> str:
        if self.random.random() < 0.3:
            return '  provisioner "local-exec" {\n    when = destroy\n    command = "true"\n  }'
        environment = f"environment = {{ V = {self._text(scope)} }}"
        return f'  provisioner "local-exec" {{\n    command = "true"\n    {environment}\n  }}'

    def _local(self, scope: _Scope) -> None:
        name = scope.name("l")
        first, second = self._value(scope), self._text(scope)
        value, reads = self.random.choice(
            (
                (second, (f"local.{name}",)),
                (f"{{ key = {first}, other = [{second}] }}", (f"local.{name}.key", f"local.{name}.other[0]")),
                (f'toset([{second}, "b"])', (f"[for local in local.{name} : local]", f"length(local.{name})")),
            )
        )
        _block(scope, "locals", [f"  {name} = {value}"])
        scope.seen.append(Item(reads, (f"local.{name}",), secret=self.touched, secret_whole=self.touched))

    def _variable(self, scope: _Scope) -> None:
        name = scope.name("v")
        body = [f'  default = "{name}"', "  type = string"]
        secret = self.random.random() < 0.1
        if secret:
            body.append("  sensitive = true")
        elif self.random.random() < 0.4:
            condition = f'var.{name} != "" && {self._text(scope)} != "x"'
            body.append(f'  validation {{\n    condition = {condition}\n    error_message = "not so"\n  }}')
        _block(scope, f'variable "{name}"', body)
        scope.seen.append(Item((f"var.{name}",), secret=secret))

    def _remote(self, scope: _Scope) -> None:
        name = scope.name("d")
        defaults = f"  defaults = {{ y = {self._text(scope, secret=False)} }}"
        config = f'  config = {{ path = "{REMOTE}" }}'
        _block(
            scope,
            f'data "terraform_remote_state" "{name}"',
            ['  backend = "local"', config, defaults, self._waits(scope)],
        )
        address = f"data.terraform_remote_state.{name}"
        scope.seen.append(Item((f"{address}.outputs.x", f'{address}.outputs["x"]'), (address,), address))

    def _output(self, scope: _Scope, name: str) -> str:
        self.touched = False
        first, second = self._value(scope), self._text(scope)
        value = self.random.choice(
            (second, first, f"[{first}, {second}]", f"{{ k = {second}, n = null }}", f"toset([{second}])")
        )
        lines = [f"  value = {value}", self._waits(scope), "  sensitive = true" if self.touched else ""]
        if self.random.random() < 0.2:
            lines.append(
                f'  precondition {{\n    condition = path.root != {self._text(scope)}\n    error_message = "not so"\n  }}'
            )
        return f'output "{name}" {{\n' + "\n".join(line for line in lines if line) + "\n}"

    def _check(self, scope: _Scope, items: list[Item]) -> str:
        value = self.random.choice(items).values[0] if items else "1"
        condition = f"md5(jsonencode({value})) != path.root"
        return f'check "{scope.name("c")}" {{\n  assert {{\n    condition = {condition}\n    error_message = "no"\n  }}\n}}'

    def _outside(self, scope: _Scope) -> None:
        """Outputs and a check of the root."""
        scope.place = 10_000
        scope.text.extend(self._output(scope, scope.name("o")) for _ in range(3))
        scope.text.append(self._check(scope, scope.seen))

    # calls

    def _begin(self, scope: _Scope, shape: _Shape) -> _Call:
        return _Call(shape, scope.name("m"), "", [], ())

    def _channel(self, scope: _Scope, call: _Call) -> None:
        """The next channel of a call gets its argument, and its output can be read from now on."""
        if not call.arguments:
            call.repeat, head = self._repeat(scope)
            call.meta = "\n".join((head, self._waits(scope)))
        variable, output, secret, hidden = call.shape.channels[len(call.arguments)]
        expression = self.random.choice((self._value, self._text))(scope, secret=secret)
        call.arguments.append(f"  {variable} = {expression}")
        address = f"module.{call.name}"
        values, wholes = _forms(address, call.repeat, output)
        any_hidden = any(channel[3] for channel in call.shape.channels)
        last = call.positions[-1] + 1
        scope.seen.append(Item(values, wholes, address, last=last, secret=hidden, secret_whole=any_hidden))

    def _finish(self, scope: _Scope, call: _Call) -> None:
        _block(scope, f'module "{call.name}"', [f'  source = "./{call.shape.folder}"', call.meta, *call.arguments])

    def _nested(self, scope: _Scope) -> None:
        """A call inside a module: all of its channels at once."""
        shape = self.random.choice([shape for shape in self.shapes if shape.depth < self.depth])
        call = self._begin(scope, shape)
        call.positions = (scope.place,)
        for _ in shape.channels:
            self._channel(scope, call)
        scope.place += 1
        inner = [f'  source = "../{shape.folder.rpartition("/")[2]}"', call.meta, *call.arguments]
        _block(scope, f'module "{call.name}"', inner)


def _forms(address: str, repeat: str, attribute: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """How an attribute of something that is there once, `count` or `for_each` times is read; and how all of it is."""
    if repeat == "count":
        values = (f"{address}[0].{attribute}", f"{address}[1].{attribute}")
        return values, (f"{address}[*].{attribute}", f"{address}[length([1])].{attribute}", address)
    if repeat == "for_each":
        values = (f'{address}["a"].{attribute}', f'{address}["b c"].{attribute}')
        return values, (
            f"[for k, v in {address} : v.{attribute}]",
            f"values({address})[*].{attribute}",
            f"keys({address})",
        )
    return (f"{address}.{attribute}",), (address,)


def _block(scope: _Scope, head: str, lines: list[str]) -> None:
    scope.text.append(f"{head} {{\n" + "\n".join(line for line in lines if line.strip()) + "\n}")


_REMOTE_STATE = {
    "version": 4,
    "terraform_version": "1.11.4",
    "serial": 1,
    "lineage": "remote",
    "outputs": {"x": {"value": "far", "type": "string"}},
    "resources": [],
}
