from __future__ import annotations

import pytest
import torch

from restorers.networks.warping import warp


@pytest.mark.parametrize(("outside", "beyond"), [("zeros", [0.0, 0.0]), ("border", [4.0, 9.0])])
def test_samples_where_the_flow_points(outside, beyond):
    image = torch.arange(10.0).reshape(1, 1, 2, 5)
    flow = torch.tensor([2.0, 0.0])[None, :, None, None].expand(1, 2, 2, 5)

    warped = warp(image, flow, outside=outside)

    torch.testing.assert_close(warped[..., :3], image[..., 2:])
    torch.testing.assert_close(warped[0, 0, :, 3:], torch.tensor(beyond)[:, None].expand(2, 2))


def test_a_sample_half_beyond_the_edge_loses_half():
    flow = torch.tensor([0.0, 0.5])[None, :, None, None].expand(1, 2, 3, 1)

    warped = warp(torch.full((1, 1, 3, 1), 8.0), flow, outside="zeros")

    assert warped.flatten().tolist() == pytest.approx([8, 8, 4])
