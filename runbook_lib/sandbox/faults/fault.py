"""What a named fault is: which primitives, and which action of a user brings it to light."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import UsageError

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

Result = dict[str, Any]
Exercise = Callable[["Sandbox"], Result]


@dataclass(frozen=True)
class Step:
    """One use of a primitive. An argument that is a function is asked for its value once the sandbox is up."""

    primitive: str
    arguments: Mapping[str, Any]

    def apply(self, sandbox: "Sandbox") -> None:
        """Use it."""
        given = {name: value(sandbox) if callable(value) else value for name, value in self.arguments.items()}
        sandbox.inject(self.primitive, **given)


def address_of(part: str) -> Callable[["Sandbox"], str]:
    """A step's argument: where a part answers."""
    return lambda sandbox: sandbox.endpoints[part]


def use(primitive: str, **arguments: Any) -> Step:
    """A step: `use("dial", of="openai", field="mode", value="overloaded")`."""
    return Step(primitive, arguments)


def visit(action: str = "chat", **how: Any) -> Exercise:
    """A user's action, as `Sandbox.visit` takes it."""

    def act(sandbox: "Sandbox") -> Result:
        return sandbox.visit(action, **how)

    return act


def nothing(_sandbox: "Sandbox") -> Result:
    """No user is needed to bring the fault to light."""
    return {}


@dataclass(frozen=True)
class Variant:
    """One way to bring a cause about, and what a user does to run into it.

    Attributes:
        steps: primitives, in order.
        exercise: returns what the user got, as `Sandbox.visit` does; `request_id` None where the answer showed none.
    """

    steps: tuple[Step, ...] = ()
    exercise: Exercise = field(default_factory=visit)


@dataclass(frozen=True)
class Fault:
    """A cause that can be brought about. Called with a sandbox it breaks that sandbox.

    Attributes:
        code: the cause's code.
        variants: the ways to bring it about by name; the first is the usual one.
    """

    code: str
    variants: Mapping[str, Variant]

    def __call__(self, sandbox: "Sandbox", variant: str = "") -> None:
        """Break the sandbox. Raises UsageError for an unknown variant."""
        for step in self.variant(variant).steps:
            step.apply(sandbox)

    def exercise(self, sandbox: "Sandbox", variant: str = "") -> Result:
        """Do what a user does to run into it, and return what that user got."""
        return self.variant(variant).exercise(sandbox)

    def variant(self, name: str = "") -> Variant:
        """A variant by name; the usual one without. Raises UsageError for an unknown one."""
        if not name:
            return next(iter(self.variants.values()))
        if name not in self.variants:
            raise UsageError(f"{self.code} has no variant {name}", do_next="Known: " + ", ".join(self.variants) + ".")
        return self.variants[name]


def fault(code: str, *steps: Step, by: Exercise | None = None, **others: Variant) -> Fault:
    """A fault with its usual variant, and other ones by name."""
    return Fault(code, {"usual": Variant(steps, by or visit()), **others})


def alias(code: str, of: Fault) -> Fault:
    """A cause whose narrower cases are all there is: broken by the usual one of them."""
    return Fault(code, of.variants)
