// The logarithmic mel spectrogram that Whisper reads (Radford et al. 2022, section 2.2).
#ifndef STC_RUNTIME_LOGMEL_H
#define STC_RUNTIME_LOGMEL_H

#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace stc {

/// Samples per second that the spectrogram is of, and between the middles of two frames.
constexpr int64_t kSampleRate = 16000, kHopSamples = 160;

/// [bins][201] weights by which powers of the frequencies 0, 40, ..., 8000 Hz are summed into mel
/// bins: triangles between points of equal distance on Slaney's mel scale (linear to 1000 Hz, then
/// logarithmic), each of area 1 in Hz / 2 (librosa's norm "slaney").
std::vector<double> melFilters(int64_t bins);

/// [frames][bins]: log10 of the power in each mel bin of `frames` windows of 400 samples (Hann),
/// 160 apart, the first in the middle of sample 0; cut at 8 below the largest, then (x + 4) / 4.
/// The samples (from -1 to 1) are cut or filled up with zeros to frames * 160, and mirrored at both
/// ends for windows that reach beyond.
std::vector<float> logMelSpectrogram(absl::Span<const float> samples, int64_t frames, int64_t bins);

} // namespace stc

#endif // STC_RUNTIME_LOGMEL_H
