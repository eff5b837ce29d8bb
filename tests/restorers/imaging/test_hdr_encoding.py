"""μ-law and PU21 against their formulas, the inverse that their authors give, and published values."""

import numpy as np
import pytest

from restorers.imaging.hdr_encoding import encode_mu_law, encode_pu21


def test_the_mu_law_is_its_formula():
    light = np.array([-1.0, 0.0, 1e-4, 0.01, 0.3, 1.0, 4.0, 9.0])
    expected = [np.log(1 + 5000 * x / 4) / np.log(5001) for x in (0, 0, 1e-4, 0.01, 0.3, 1, 4, 4)]
    np.testing.assert_allclose(encode_mu_law(light, peak=4.0), expected, rtol=1e-12)


def decode_pu21(value):
    """The inverse as the authors write it, V being the encoded value."""
    p = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142)
    root = np.maximum(value / p[6] + p[5], 0) ** (1 / p[4])
    return (np.maximum(root - p[0], 0) / (p[1] - p[2] * root)) ** (1 / p[3])


def test_pu21_has_its_published_values():
    # 100 cd/m², the white of a plain display, is made 256; the range is that of displays, 0.005 to 10,000 cd/m².
    values = encode_pu21(np.array([0.005, 100.0, 10_000.0]))
    assert values == pytest.approx([0, 256.4, 595.4], abs=0.1)
    luminance = np.geomspace(0.005, 10_000, 200)
    np.testing.assert_allclose(decode_pu21(encode_pu21(luminance)), luminance, rtol=1e-6)
    assert (np.diff(encode_pu21(luminance)) > 0).all()


def test_pu21_is_cut_to_the_range_that_it_is_defined_for():
    np.testing.assert_array_equal(encode_pu21(np.array([-3.0, 0.0, 1e9])), encode_pu21(np.array([0.005, 0.005, 1e4])))
