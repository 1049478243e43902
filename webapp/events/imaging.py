"""Pictures as strangers send them, made into ones that are safe to keep and quick to show."""

import contextlib
import hashlib
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, ImageCms, ImageOps

from webapp.errors import InvalidInput, Problem

FIELD = "picture"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
LARGEST_FILE_MB = 12
LARGEST_FILE = LARGEST_FILE_MB * 1024 * 1024
# A few kilobytes can unfold into gigabytes: the size is read from the header, before the rest.
MOST_MEGAPIXELS = 50
# Stricter than Pillow's own limit, and told in a sentence.
Image.MAX_IMAGE_PIXELS = None
# The large one fits into this square whole, the small one fills its frame.
LARGE = (1200, 1200)
SMALL = (240, 160)
QUALITY = 80

# A large picture takes up to 200 MB while it is decoded: never for two at once.
_one_at_a_time = Lock()
_srgb = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """A picture as it is kept, in WebP. The name tells its content and the large one's size."""

    name: str
    large: bytes
    small: bytes


def process_image(data: bytes) -> ProcessedImage:
    """Decode a picture and encode it anew: upright, in two sizes, with nothing but its pixels.

    Raises `InvalidInput` (picture) for what is too large or no picture.
    """
    if len(data) > LARGEST_FILE:
        size = -(-len(data) // (1024 * 1024))
        raise InvalidInput({FIELD: Problem("file_too_large", size=size, limit=LARGEST_FILE_MB)})
    with _one_at_a_time:
        try:
            picture = _decode(data)
        except InvalidInput:
            raise
        # A decoder that meets what nobody thought of may raise anything at all.
        except Exception as error:
            raise InvalidInput({FIELD: Problem("no_picture")}) from error
    large = _encode(picture)
    name = f"{hashlib.sha256(large).hexdigest()[:24]}-{picture.width}x{picture.height}"
    return ProcessedImage(name, large, _encode(ImageOps.fit(picture, SMALL)))


def _decode(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_MEGAPIXELS * 1_000_000:
            raise InvalidInput({FIELD: Problem("too_many_pixels", limit=MOST_MEGAPIXELS)})
        if opened.format != "JPEG":
            opened.load()
        has_alpha = opened.has_transparency_data
        picture: Image.Image = opened
        if opened.mode not in ("RGB", "RGBA", "CMYK"):
            picture = opened.convert("RGBA" if has_alpha else "RGB")
        picture.thumbnail(LARGE)
        return _in_srgb(ImageOps.exif_transpose(picture))


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The colours as every screen shows them; phones record a wider range."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError):
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, given, _srgb, outputMode="RGB") or picture
    return picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")


def _encode(picture: Image.Image) -> bytes:
    kept = BytesIO()
    picture.save(kept, "WEBP", quality=QUALITY, exif=b"", icc_profile=b"", xmp=b"")
    return kept.getvalue()
