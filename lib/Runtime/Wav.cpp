// Sound from WAV files: the chunks of a RIFF container, and samples as floats.
#include "stc/Runtime/Wav.h"

#include "absl/strings/str_cat.h"

#include <cstring>

namespace stc {

namespace {

constexpr int64_t kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;

int64_t littleEndian(absl::Span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i)
    value = value << 8 | bytes[i - 1];
  return int64_t(value);
}

bool hasText(absl::Span<const uint8_t> bytes, size_t at, const char *text) {
  return at + 4 <= bytes.size() && std::memcmp(bytes.data() + at, text, 4) == 0;
}

struct Format {
  int64_t tag = 0, channels = 0, rate = 0, bits = 0;
};

float sampleOf(absl::Span<const uint8_t> bytes, const Format &format) {
  if (format.tag == kFloat) {
    float value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
  }
  if (format.bits == 8)
    return float(int64_t(bytes[0]) - 128) / 128;
  int64_t value = littleEndian(bytes), half = int64_t(1) << (format.bits - 1);
  return float(double(value < half ? value : value - 2 * half) / double(half));
}

absl::Status checkFormat(const Format &format, int64_t rate, const ErrorSite &site) {
  bool isPcm = format.tag == kPcm &&
               (format.bits == 8 || format.bits == 16 || format.bits == 24 || format.bits == 32);
  if (!isPcm && !(format.tag == kFloat && format.bits == 32))
    return formatError(site, "PCM of 8, 16, 24 or 32 bits, or floats of 32",
                       absl::StrCat("format ", format.tag, " of ", format.bits, " bits"));
  if (format.channels < 1)
    return formatError(site, "one channel or more", absl::StrCat(format.channels));
  if (format.rate != rate)
    return formatError(site, absl::StrCat(rate, " samples per second"),
                       absl::StrCat(format.rate, " (resample the file first)"));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::vector<float>> parseWav(absl::Span<const uint8_t> bytes, int64_t rate,
                                            const std::string &file) {
  if (!hasText(bytes, 0, "RIFF") || !hasText(bytes, 8, "WAVE"))
    return formatError({file, "", {}}, "a WAV file", "another kind of file");
  Format format;
  constexpr size_t header = 8, smallestFormat = 16;
  size_t at = 12;
  while (at + header <= bytes.size()) {
    auto size = uint64_t(littleEndian(bytes.subspan(at + 4, 4)));
    ErrorSite site{file, "chunk", at};
    size_t begin = at + header;
    bool isData = hasText(bytes, at, "data");
    // What was written to a pipe does not know its size.
    if (isData && size == 0xFFFFFFFF)
      size = bytes.size() - begin;
    if (size > bytes.size() - begin)
      return formatError(site, absl::StrCat("at most ", bytes.size() - begin, " bytes"),
                         absl::StrCat(size));
    absl::Span<const uint8_t> chunk = bytes.subspan(begin, size);
    if (hasText(bytes, at, "fmt ")) {
      if (size < smallestFormat)
        return formatError(site, absl::StrCat(smallestFormat, " bytes or more"),
                           absl::StrCat(size));
      format = {littleEndian(chunk.subspan(0, 2)), littleEndian(chunk.subspan(2, 2)),
                littleEndian(chunk.subspan(4, 4)), littleEndian(chunk.subspan(14, 2))};
      constexpr size_t subFormat = 24; // of the extensible form
      if (format.tag == kExtensible && size >= subFormat + 2)
        format.tag = littleEndian(chunk.subspan(subFormat, 2));
      STC_RETURN_IF_ERROR(checkFormat(format, rate, site));
    }
    if (isData) {
      if (format.channels == 0)
        return formatError(site, "a format before the samples", "none");
      size_t sampleBytes = size_t(format.bits / 8), frame = sampleBytes * size_t(format.channels);
      std::vector<float> samples(chunk.size() / frame);
      for (size_t i = 0; i < samples.size(); ++i) {
        for (size_t channel = 0; channel < size_t(format.channels); ++channel)
          samples[i] +=
              sampleOf(chunk.subspan(i * frame + channel * sampleBytes, sampleBytes), format);
        samples[i] /= float(format.channels);
      }
      if (samples.empty())
        return formatError(site, "samples", "none");
      return samples;
    }
    at = begin + size + size % 2;
  }
  return formatError({file, "", {}}, "a chunk of samples", "none");
}

} // namespace stc
