// Sorting pages of weights by how much of them a token reads.
#include "stc/Runtime/Gpu/WeightPlacement.h"

#include <algorithm>
#include <numeric>

namespace stc {

WeightPlacement WeightPlacement::whole(uint64_t bytes) {
  WeightPlacement placement;
  placement.ranges.push_back({0, bytes, GpuPlace::Device});
  return placement;
}

WeightPlacement placeWeights(absl::Span<const WeightRecord> records,
                             absl::Span<const double> shares, uint64_t bytes, uint64_t deviceBytes,
                             uint64_t pageBytes) {
  std::vector<double> reads(size_t((bytes + pageBytes - 1) / pageBytes));
  for (size_t i = 0; i < records.size(); ++i) {
    // What fills the gap behind a tensor counts with it: pages of like tensors are alike.
    uint64_t end = i + 1 < records.size() ? records[i + 1].offset : bytes;
    for (uint64_t at = records[i].offset; at < end;) {
      uint64_t page = at / pageBytes, next = std::min((page + 1) * pageBytes, end);
      reads[size_t(page)] += shares[i] * double(next - at);
      at = next;
    }
  }
  std::vector<size_t> order(reads.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return reads[a] != reads[b] ? reads[a] > reads[b] : a < b; });
  std::vector<GpuPlace> places(reads.size(), GpuPlace::Host);
  size_t fitting = std::min(order.size(), size_t(deviceBytes / pageBytes));
  for (size_t i = 0; i < fitting; ++i)
    places[order[i]] = GpuPlace::Device;

  WeightPlacement placement;
  for (size_t page = 0; page < places.size(); ++page) {
    uint64_t begin = page * pageBytes, end = std::min(begin + pageBytes, bytes);
    placement.bytesPerToken += reads[page];
    if (places[page] == GpuPlace::Host) {
      placement.hostBytes += end - begin;
      placement.hostBytesPerToken += reads[page];
    }
    if (page > 0 && places[page] == places[page - 1])
      placement.ranges.back().end = end;
    else
      placement.ranges.push_back({begin, end, places[page]});
  }
  return placement;
}

} // namespace stc
