// PNG files, by libpng.
#include "Decoders.h"

#include "absl/strings/str_cat.h"

#include <cstring>
#include <png.h>

namespace stc {

namespace {

/// What libpng's callbacks share. Its errors jump over frames, so none of these has anything to
/// destroy that was made behind the call of setjmp.
struct PngSource {
  absl::Span<const uint8_t> bytes;
  size_t at = 0;
  char message[120] = {};
};

void readBytes(png_structp png, png_bytep out, size_t count) {
  auto *source = static_cast<PngSource *>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at)
    png_error(png, "the file is cut off");
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

[[noreturn]] void onError(png_structp png, png_const_charp message) {
  auto *source = static_cast<PngSource *>(png_get_error_ptr(png));
  std::strncpy(source->message, message, sizeof(source->message) - 1);
  png_longjmp(png, 1);
}

void onWarning(png_structp, png_const_charp) {}

/// The largest factor by which DEFLATE (RFC 1951) can make data smaller, and what a file has
/// beside it.
constexpr uint64_t kDeflateRatio = 1032, kPngSlack = 1 << 16;

struct PngReader {
  PngSource source;
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }

  /// False where libpng failed, and source.message says why.
  bool begin();
  bool readHeader();
  bool readRows(uint8_t *pixels, size_t rowBytes, size_t height);
};

bool PngReader::begin() {
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, onError, onWarning);
  if (png)
    info = png_create_info_struct(png);
  return info != nullptr;
}

bool PngReader::readHeader() {
  if (setjmp(png_jmpbuf(png)))
    return false;
  png_set_read_fn(png, &source, readBytes);
  constexpr png_uint_32 mostChunks = 1000;
  constexpr png_alloc_size_t mostBytes = 8 << 20; // of a chunk that is kept
  png_set_chunk_cache_max(png, mostChunks);
  png_set_chunk_malloc_max(png, mostBytes);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); // checked with a better message
  png_read_info(png, info);
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  return true;
}

bool PngReader::readRows(uint8_t *pixels, size_t rowBytes, size_t height) {
  if (setjmp(png_jmpbuf(png)))
    return false;
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != rowBytes)
    png_error(png, "rows of another length");
  for (int pass = 0; pass < passes; ++pass)
    for (size_t row = 0; row < height; ++row)
      png_read_row(png, pixels + row * rowBytes, nullptr);
  png_read_end(png, nullptr);
  return true;
}

} // namespace

absl::StatusOr<Image> decodePng(absl::Span<const uint8_t> bytes, const std::string &file) {
  PngReader reader;
  reader.source.bytes = bytes;
  auto failure = [&] {
    return formatError({file, "PNG", {}}, "a whole and valid image",
                       printable(reader.source.message));
  };
  if (!reader.begin() || !reader.readHeader())
    return failure();
  Image image;
  image.height = int64_t(png_get_image_height(reader.png, reader.info));
  image.width = int64_t(png_get_image_width(reader.png, reader.info));
  STC_RETURN_IF_ERROR(checkImageSize(image.height, image.width, file));
  // Before the transformations, so that a small file cannot ask for much memory.
  uint64_t stored =
      (uint64_t(png_get_rowbytes(reader.png, reader.info)) + 1) * uint64_t(image.height);
  if (stored > kDeflateRatio * bytes.size() + kPngSlack)
    return formatError(
        {file, "PNG", {}}, "as many bytes as its image needs",
        absl::StrCat(bytes.size(), " for ", image.width, " x ", image.height, " pixels"));
  constexpr size_t channels = 3;
  size_t rowBytes = channels * size_t(image.width);
  image.bytes.resize(rowBytes * size_t(image.height));
  if (!reader.readRows(image.bytes.data(), rowBytes, size_t(image.height)))
    return failure();
  return image;
}

} // namespace stc
