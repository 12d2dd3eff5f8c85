"""Independent codes agree on sign, hand, origin and centre; skipped where they aren't installed."""

from __future__ import annotations

import math

import pytest
import torch
from gaussian_particles import centres, error, gaussians, projections

from bioreco.operators.ctf import contrast_transfer
from bioreco.operators.fourier_filter import FourierFilter, phase_ramp
from bioreco.operators.fourier_slice import Project
from bioreco.operators.rotations import random_rotations

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 32
POSES = random_rotations(6, torch.Generator().manual_seed(3)).double()
ROW = [15000.0, 12500.0, 0.6, 300.0, 2.7, 0.1, 0.3, 0.0, 3.0]


def test_torch_fourier_slice_takes_the_transposed_pose():
    oracle = pytest.importorskip("torch_fourier_slice")
    volume = gaussians(SIZE, centres(12, 9, seed=0)).float()
    ours = Project(POSES, SIZE)(volume)[:, 0].double()
    turned = oracle.project_3d_to_2d(volume, POSES.mT.float(), pad_factor=2.0)
    assert error(turned, ours) < 0.02
    assert error(oracle.project_3d_to_2d(volume, POSES.float(), pad_factor=2.0), ours) > 0.2


@pytest.mark.parametrize("size", [32, 33])
def test_torch_ctf_has_our_sign(size):
    oracle = pytest.importorskip("torch_ctf")
    u, v, angle, voltage, cs, w, phase, _, pixel = ROW
    theirs = oracle.calculate_ctf_2d(
        defocus=(u + v) / 2e4, astigmatism=(u - v) / 2e4, astigmatism_angle=math.degrees(angle),
        voltage=voltage, spherical_aberration=cs, amplitude_contrast=w,
        phase_shift=math.degrees(phase), pixel_size=pixel, image_shape=(size, size),
        rfft=True, fftshift=False,
    )  # fmt: skip
    assert float((theirs - contrast_transfer(torch.tensor([ROW]), size)[0]).abs().max()) < 2e-3


def test_torch_fourier_shift_moves_as_we_do():
    oracle = pytest.importorskip("torch_fourier_shift")
    image = torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    ours = FourierFilter(phase_ramp(torch.tensor([[1.7, -3.2]]), SIZE))(image)[0]
    theirs = oracle.fourier_shift_image_2d(image[0], torch.tensor([[-3.2, 1.7]]))  # (y, x)
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


def test_cryodrgn_has_the_opposite_sign():
    oracle = pytest.importorskip("cryodrgn.ctf")
    u, v, angle, voltage, cs, w, phase, _, pixel = ROW
    kx, ky = torch.fft.rfftfreq(SIZE) / pixel, torch.fft.fftfreq(SIZE) / pixel
    grid = torch.stack(torch.meshgrid(kx, ky, indexing="xy"), -1).reshape(-1, 2)
    optics = [torch.tensor([[value]]) for value in
              (u, v, math.degrees(angle), voltage, cs, w, math.degrees(phase))]  # fmt: skip
    theirs = oracle.compute_ctf(grid, *optics).view(SIZE, -1)
    ours = contrast_transfer(torch.tensor([ROW]), SIZE)[0]
    assert float((theirs + ours).abs().max()) < 5e-3


@pytest.mark.parametrize("size", [32, 33])
def test_aspire_projects_with_the_transposed_pose(size):
    pytest.importorskip("aspire")
    from aspire.volume import Volume

    places = centres(12, 9, seed=0)
    expected = projections(size, places, POSES)[:, 0]
    values = gaussians(size, places).numpy()
    images = size * Volume(values).project(POSES.mT.numpy()).asnumpy()  # ours sum, theirs average
    assert error(torch.from_numpy(images), expected) < 0.05
    assert error(Project(POSES, size)(torch.from_numpy(values))[:, 0], expected) < 0.002


def test_aspire_has_the_opposite_sign():
    pytest.importorskip("aspire")
    from aspire.operators import CTFFilter

    u, v, angle, voltage, cs, w, _, _, pixel = ROW
    oracle = CTFFilter(voltage=voltage, defocus_u=u, defocus_v=v, defocus_ang=angle, Cs=cs, alpha=w)
    theirs = torch.as_tensor(oracle.evaluate_grid(SIZE, pixel_size=pixel))
    theirs = torch.fft.ifftshift(theirs)[:, : SIZE // 2]
    flat = torch.tensor([[*ROW[:6], 0.0, *ROW[7:]]])  # it knows no phase shift
    ours = contrast_transfer(flat, SIZE)[0, :, : SIZE // 2]
    assert float((theirs + ours)[1 : SIZE // 2].abs().max()) < 5e-3
