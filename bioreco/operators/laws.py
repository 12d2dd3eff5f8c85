"""Is an operator what it says? Seven laws, measured on random images, for any operator.

A wrong adjoint doesn't crash: it makes a reconstruction that is wrong by a little. These are the
checks to make of a forward model before anything is reconstructed with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.fourier import Fourier
from bioreco.operators.linear import LinearOperator

# What rounding may leave of each law; of the gradient, the step of a difference quotient too.
ALLOWED = {torch.complex128: 1e-12, torch.complex64: 1e-5}
ALLOWED |= {torch.float64: 1e-12, torch.float32: 1e-5}
STEPS = 30  # power iterations
UNROLLS = 2
MU = 0.05


@dataclass(frozen=True)
class Found:
    """What was measured of one law.

    Attributes
    ----------
    error
        Relative, 0 if the law holds exactly.
    allowed
        What rounding may make of it.

    """

    error: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the law holds."""
        return self.error <= self.allowed


def check(
    H: LinearOperator,
    x_shape: Sequence[int],
    y_shape: Sequence[int],
    dtype: torch.dtype = torch.complex64,
    *,
    bound: float = 1.0,
    complete: bool = False,
    object_: Tensor | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[str, Found]:
    """Measure by how much an operator breaks the laws of a forward model.

    Parameters
    ----------
    H
        Any linear operator from images of `x_shape` to measurements of `y_shape`.
    x_shape, y_shape
        Shapes, with a batch axis first.
    dtype
        Of images and measurements; complex128 tells rounding from mistakes best.
    bound
        What ||H^H H|| may be: 1, or S for S slices excited together.
    complete
        Whether H measures everything, noise-free: then H^H H x = x in the object.
    object_
        Where the object is, bool, to be broadcast to `x_shape`; None: everywhere.
    device, seed
        Where, and with which random images.

    Returns
    -------
    dict
        adjoint: |<H x, y> - <x, H^H y>| / (||H x|| ||y||). unitary: ||F^H F x - x|| and ||F F^H x
        - x|| of the centred Fourier transform of images of that size. norm: the greatest
        eigenvalue of H^H H over its bound, less 1 (0 where it is less): the maps are
        normalised. normal: ||normal(x) - H^H H x||. gradient: the derivative through two unrolled
        steps of data consistency, against a difference quotient. vjp: the derivative of H
        against H^H. complete, where asked for: ||H^H H x - x||. Each relative to its right side.

    Notes
    -----
    The laws of physics-guided reconstruction (see Ong and Lustig, SigPy, 2019, for tests alike).

    """
    draw = torch.Generator().manual_seed(seed)

    def random(shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=dtype).to(device)

    x, y = random(x_shape), random(y_shape)
    allowed = ALLOWED[dtype]
    double = allowed < 1e-6
    found = {"adjoint": Found(_adjoint(H, x, y), allowed)}
    found["unitary"] = Found(_unitary(x) if x.ndim > 2 and x.is_complex() else 0.0, allowed)
    found["norm"] = Found(max(greatest(H, x) / bound - 1, 0.0), 1e-9 if double else 1e-5)
    found["normal"] = Found(_relative(H.normal(x), H.adjoint(H.forward(x))), allowed)
    found["gradient"] = Found(_gradient(H, x, y), 1e-6 if double else 1e-2)
    found["vjp"] = Found(_vjp(H, x, y), allowed)
    if complete:
        inside = x if object_ is None else x * object_
        found["complete"] = Found(_relative(H.normal(inside), inside), allowed)
    return found


def adjoint_error(H: LinearOperator, x: Tensor, y: Tensor) -> float:
    """Return |<H x, y> - <x, H^* y>| / (||H x|| ||y||) of any linear operator of the user's."""
    return _adjoint(H, x, y)


def greatest(H: LinearOperator, x: Tensor) -> float:
    """Return the greatest eigenvalue of H^H H, from below, by power iterations from x."""
    value = 0.0
    for _ in range(STEPS):
        size = float(torch.linalg.vector_norm(x))
        if size == 0:
            return 0.0
        image = H.normal(x / size)
        value = float(torch.linalg.vector_norm(image))
        x = image
    return value


def failures(found: Mapping[str, Found]) -> list[str]:
    """Return one plain line for each law that doesn't hold."""
    return [
        f"{name}: {law.error:.2g}, of which rounding explains {law.allowed:.0e}"
        for name, law in found.items()
        if not law.holds
    ]


def _adjoint(H: LinearOperator, x: Tensor, y: Tensor) -> float:
    seen, back = H.forward(x), H.adjoint(y)
    size = float(torch.linalg.vector_norm(seen) * torch.linalg.vector_norm(y))
    apart = torch.vdot(seen.flatten(), y.flatten()) - torch.vdot(x.flatten(), back.flatten())
    return float(apart.abs()) / max(size, torch.finfo(x.dtype).tiny)


def _unitary(x: Tensor) -> float:
    F = Fourier()
    return max(_relative(F.adjoint(F(x)), x), _relative(F(F.adjoint(x)), x))


def _vjp(H: LinearOperator, x: Tensor, y: Tensor) -> float:
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(H.forward(x), x, y)
    return _relative(found, H.adjoint(y))


def _gradient(H: LinearOperator, x: Tensor, y: Tensor) -> float:
    """Compare the derivative of two unrolled steps along z and mu, where it is steepest."""
    back = H.adjoint(y).detach()
    scale = torch.linalg.vector_norm(back) / torch.linalg.vector_norm(x)
    start = x * scale

    def unrolled(z: Tensor, mu: Tensor) -> Tensor:
        for _ in range(UNROLLS):
            z = conjugate_gradient(
                H.normal, back + mu * torch.tanh(z.abs()) * z, mu=mu, iterations=3
            )
        return _energy(z - back)

    z = start.clone().requires_grad_()
    mu = torch.tensor(MU, dtype=start.abs().dtype, device=x.device, requires_grad=True)
    by_z, by_mu = torch.autograd.grad(unrolled(z, mu), (z, mu))
    along = by_z * (torch.linalg.vector_norm(start) / torch.linalg.vector_norm(by_z))
    uphill = MU * torch.sign(by_mu)
    told = float((by_z.conj() * along).real.sum() + by_mu * uphill)
    step = torch.finfo(x.dtype).eps ** (1 / 3)
    with torch.no_grad():
        up = unrolled(start + step * along, mu + step * uphill)
        down = unrolled(start - step * along, mu - step * uphill)
    seen = float(up - down) / (2 * step)
    error: float = abs(told - seen) / max(abs(told), abs(seen), torch.finfo(x.dtype).tiny)
    return error


def _energy(x: Tensor) -> Tensor:
    return x.abs().square().sum()


def _relative(found: Tensor, right: Tensor) -> float:
    size = float(torch.linalg.vector_norm(right))
    return float(torch.linalg.vector_norm(found - right)) / max(size, torch.finfo(right.dtype).tiny)
