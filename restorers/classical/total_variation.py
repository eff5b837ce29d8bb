"""Total variation denoising of a single frame (Rudin, Osher & Fatemi 1992) by Chambolle's projection (2004)."""

from __future__ import annotations

from dataclasses import dataclass

from restorers.base import RestorerInfo
from restorers.burst import Burst, FloatImage
from restorers.classical.stabilisation import denoise_stabilised, describe_denoiser

_INFO = describe_denoiser(
    version="1",
    summary="total variation minimisation of all colours together, after variance stabilisation",
    paper="Chambolle, An algorithm for total variation minimization and applications, 2004",
)


@dataclass(frozen=True)
class TotalVariation:
    """Total variation denoising after variance stabilisation (`denoise_stabilised`).

    scikit-image works in about 10 times the float32 size of the frame.

    Attributes:
        weight: of the total variation against half the squared difference, in standard deviations of the noise.
        iterations: at most.
    """

    weight: float = 0.6
    iterations: int = 100

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Denoise the only frame, float32 [H, W] or [H, W, 3]."""
        from skimage.restoration import denoise_tv_chambolle

        def denoise(image: FloatImage, deviation: float) -> FloatImage:
            denoised: FloatImage = denoise_tv_chambolle(  # type: ignore[no-untyped-call]  # scikit-image types it in part
                image, weight=self.weight * deviation, max_num_iter=self.iterations, channel_axis=-1
            )
            return denoised

        return denoise_stabilised(_INFO, burst, denoise)
