// Sound from WAV files.
#ifndef STC_RUNTIME_WAV_H
#define STC_RUNTIME_WAV_H

#include "stc/Support/Error.h"

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// The samples of a RIFF WAVE file, from -1 to 1, the mean of its channels. PCM of 8, 16, 24 and 32
/// bits and floats of 32 bits are read. Errors, with `file` and the offset: another file or format,
/// another rate than `rate`, chunks beyond the end, no samples.
absl::StatusOr<std::vector<float>> parseWav(absl::Span<const uint8_t> bytes, int64_t rate,
                                            const std::string &file);

} // namespace stc

#endif // STC_RUNTIME_WAV_H
