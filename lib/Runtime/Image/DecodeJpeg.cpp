// JPEG files, by libjpeg-turbo.
#include "Decoders.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio> // in front of jpeglib.h, which uses it
#include <cstring>
#include <jerror.h>
#include <jpeglib.h>

namespace stc {

namespace {

/// libjpeg's errors jump over frames: none of these makes anything to destroy behind setjmp.
struct JpegReader {
  jpeg_decompress_struct decoder = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  jmp_buf onFailure;
  char message[JMSG_LENGTH_MAX] = {};
  int orientation = 1;

  JpegReader();
  ~JpegReader() { jpeg_destroy_decompress(&decoder); }
  bool readHeader(absl::Span<const uint8_t> bytes);
  bool readRows(uint8_t *pixels, size_t rowBytes);
};

[[noreturn]] void fail(j_common_ptr common) {
  auto *reader = static_cast<JpegReader *>(common->client_data);
  common->err->format_message(common, reader->message);
  longjmp(reader->onFailure, 1);
}

/// Pixels that are missing are an error; others of what libjpeg warns of, viewers show too.
void onMessage(j_common_ptr common, int level) {
  int code = common->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
    fail(common);
}

/// A progressive file of a few bytes can ask for thousands of scans over the whole image.
void onProgress(j_common_ptr common) {
  constexpr int mostScans = 500;
  auto *decoder = reinterpret_cast<j_decompress_ptr>(common);
  if (decoder->input_scan_number > mostScans)
    ERREXIT(common, JERR_BAD_PROGRESSION);
}

JpegReader::JpegReader() {
  decoder.err = jpeg_std_error(&errors);
  errors.error_exit = fail;
  errors.emit_message = onMessage;
  errors.output_message = [](j_common_ptr) {};
  progress.progress_monitor = onProgress;
}

bool JpegReader::readHeader(absl::Span<const uint8_t> bytes) {
  decoder.client_data = this;
  if (setjmp(onFailure))
    return false;
  jpeg_create_decompress(&decoder);
  decoder.client_data = this;
  decoder.progress = &progress;
  constexpr unsigned longestSegment = 0xFFFF;
  jpeg_save_markers(&decoder, JPEG_APP0 + 1, longestSegment);
  jpeg_mem_src(&decoder, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&decoder, TRUE);
  for (jpeg_saved_marker_ptr marker = decoder.marker_list; marker; marker = marker->next)
    if (orientation == 1)
      orientation = exifOrientation({marker->data, marker->data_length});
  return true;
}

bool JpegReader::readRows(uint8_t *pixels, size_t rowBytes) {
  if (setjmp(onFailure))
    return false;
  decoder.out_color_space = JCS_RGB;
  jpeg_start_decompress(&decoder);
  while (decoder.output_scanline < decoder.output_height) {
    uint8_t *row = pixels + decoder.output_scanline * rowBytes;
    jpeg_read_scanlines(&decoder, &row, 1);
  }
  jpeg_finish_decompress(&decoder);
  return true;
}

} // namespace

absl::StatusOr<Image> decodeJpeg(absl::Span<const uint8_t> bytes, const std::string &file) {
  JpegReader reader;
  auto failure = [&] {
    return formatError({file, "JPEG", {}}, "a whole and valid image", printable(reader.message));
  };
  if (!reader.readHeader(bytes))
    return failure();
  Image image;
  image.height = int64_t(reader.decoder.image_height);
  image.width = int64_t(reader.decoder.image_width);
  STC_RETURN_IF_ERROR(checkImageSize(image.height, image.width, file));
  J_COLOR_SPACE space = reader.decoder.jpeg_color_space;
  if (space != JCS_GRAYSCALE && space != JCS_YCbCr && space != JCS_RGB)
    return formatError({file, "JPEG", {}}, "colours as YCbCr, RGB or grey",
                       space == JCS_CMYK || space == JCS_YCCK ? "CMYK" : "others");
  constexpr size_t channels = 3;
  size_t rowBytes = channels * size_t(image.width);
  image.bytes.resize(rowBytes * size_t(image.height));
  if (!reader.readRows(image.bytes.data(), rowBytes))
    return failure();
  return orient(image, reader.orientation);
}

} // namespace stc
