// How long a processor takes for one token, by layout: a table of what was measured.
#ifndef STC_TARGET_CPU_DECODECOST_H
#define STC_TARGET_CPU_DECODECOST_H

#include "stc/Packing/Layout.h"

namespace stc::cpu {

/// The share of the read bandwidth at which kernels read a matrix of this layout when they multiply
/// with one token, from docs/Performance.md and docs/Kernels.md (two cores, AVX512-VNNI).
/// Processors with other instructions decode sparse layouts more slowly.
double decodeEfficiency(const Layout &layout);

/// Seconds that one matrix of so many bytes takes for one token where memory delivers `bandwidth`
/// bytes per second; threads that wait for each other included.
double decodeSeconds(const Layout &layout, int64_t bytes, double bandwidth);

} // namespace stc::cpu

#endif // STC_TARGET_CPU_DECODECOST_H
