// The charts of a report, from its numbers.
#ifndef STC_LIB_DRIVER_REPORTCHARTS_H
#define STC_LIB_DRIVER_REPORTCHARTS_H

#include "ReportData.h"
#include "SvgChart.h"

namespace stc {

/// A layer, or a weight outside of layers.
struct PartSummary {
  std::string name;
  uint64_t bytes = 0;
  double layerBytes = 0, layerWeights = 0; // of its matrices; none outside of layers
  double bitsPerWeight() const { return layerWeights > 0 ? 8 * layerBytes / layerWeights : 0; }
};
/// In the order of the binary.
std::vector<PartSummary> summarizeParts(const ReportData &data);

/// Bytes of every part, stacked by kind of weight.
BarChart bytesChart(const ReportData &data);
/// Bits per weight of every layer's matrices.
BarChart bitsChart(const ReportData &data);
/// The layout of every matrix, layers from left to right.
GridChart layoutChart(const ReportData &data);
/// KL of every part alone.
BarChart lossChart(const ReportData &data);

} // namespace stc

#endif // STC_LIB_DRIVER_REPORTCHARTS_H
