// The charts of a report, from its numbers.
#include "ReportCharts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <map>

namespace stc {

namespace {

/// Names in the order in which they are met.
class Names {
public:
  size_t indexOf(const std::string &name) {
    auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      found = names.insert(names.end(), name);
    return size_t(found - names.begin());
  }
  std::vector<std::string> names;
};

/// "layers.3" as an axis has room for it.
std::string axisName(const std::string &part) {
  return std::string(absl::StripPrefix(part, "layers."));
}

/// What a piece of a bar stands for: vectors are too small to be told apart.
std::string stackName(const WeightRecord &record) {
  if (isLayerMatrix(record))
    return placeOf(record.name).kind;
  return placeOf(record.name).kind.empty() && record.shape.size() == 2 ? "embedding and head"
                                                                       : "vectors";
}

} // namespace

std::vector<PartSummary> summarizeParts(const ReportData &data) {
  Names parts;
  std::vector<PartSummary> summaries;
  for (const WeightRecord &record : data.records) {
    size_t part = parts.indexOf(placeOf(record.name).part);
    if (part == summaries.size())
      summaries.push_back({parts.names[part]});
    summaries[part].bytes += record.bytes;
    if (isLayerMatrix(record)) {
      summaries[part].layerBytes += double(record.bytes);
      summaries[part].layerWeights += weightCount(record);
    }
  }
  return summaries;
}

BarChart bytesChart(const ReportData &data) {
  BarChart chart;
  double most = 0;
  std::map<std::string, size_t> positions;
  for (const PartSummary &part : summarizeParts(data)) {
    positions[part.name] = chart.labels.size();
    chart.labels.push_back(axisName(part.name));
    most = std::max(most, double(part.bytes));
  }
  double unit = most < 1e6 ? 1e3 : most < 1e9 ? 1e6 : 1e9;
  chart.unit = most < 1e6 ? "KB" : most < 1e9 ? "MB" : "GB";
  chart.text = {"bytes", "Bytes of each layer and of what is outside of layers",
                absl::StrCat("Bars for ", chart.labels.size(),
                             " parts, stacked by kind of matrix, in ", chart.unit)};
  Names kinds;
  for (const WeightRecord &record : data.records) {
    size_t kind = kinds.indexOf(stackName(record));
    if (kind == chart.series.size())
      chart.series.push_back({kinds.names[kind], std::vector<double>(chart.labels.size())});
    chart.series[kind].values[positions[placeOf(record.name).part]] += double(record.bytes) / unit;
  }
  return chart;
}

BarChart bitsChart(const ReportData &data) {
  BarChart chart;
  chart.unit = "bits";
  chart.series.push_back({"matrices of layers", {}});
  for (const PartSummary &part : summarizeParts(data))
    if (part.layerWeights > 0) {
      chart.labels.push_back(axisName(part.name));
      chart.series[0].values.push_back(part.bitsPerWeight());
    }
  chart.text = {"bits", "Stored bits per weight of each layer's matrices",
                absl::StrCat("One bar for each of ", chart.labels.size(), " layers")};
  return chart;
}

GridChart layoutChart(const ReportData &data) {
  GridChart chart;
  Names layers, kinds, layouts;
  // Experts share a cell: the layout of most of their bytes is shown.
  std::map<std::pair<size_t, size_t>, std::map<size_t, uint64_t>> cells;
  for (const WeightRecord &record : data.records) {
    if (!isLayerMatrix(record))
      continue;
    WeightPlace place = placeOf(record.name);
    size_t kind = kinds.indexOf(place.kind), layer = layers.indexOf(place.part);
    cells[{kind, layer}][layouts.indexOf(record.layout)] += record.bytes;
  }
  chart.cells.assign(kinds.names.size(), std::vector<int>(layers.names.size(), -1));
  for (const auto &[at, bytes] : cells)
    chart.cells[at.first][at.second] =
        int(std::max_element(bytes.begin(), bytes.end(), [](const auto &a, const auto &b) {
              return a.second < b.second;
            })->first);
  chart.rows = kinds.names;
  chart.categories = layouts.names;
  for (const std::string &layer : layers.names)
    chart.columns.push_back(axisName(layer));
  chart.text = {"layouts", "The layout of each matrix",
                absl::StrCat("A grid of ", chart.rows.size(), " kinds of matrices and ",
                             chart.columns.size(), " layers; letters and colors are ",
                             chart.categories.size(), " layouts, named below")};
  return chart;
}

BarChart lossChart(const ReportData &data) {
  BarChart chart;
  bool isOfVectors = data.quality.isOfVectors;
  std::string loss = isOfVectors ? "Cosine distance" : "KL";
  chart.unit = isOfVectors ? "1 - cosine" : "nats per token";
  chart.series.push_back({loss, {}});
  for (const ReportPart &part : data.parts) {
    chart.labels.push_back(axisName(part.name));
    chart.series[0].values.push_back(part.divergence.value);
    chart.errors.push_back(part.divergence.error);
  }
  chart.text = {
      "losses", loss + " when one part alone is compressed",
      absl::StrCat("One bar for each of ", chart.labels.size(), " parts, with its standard error")};
  return chart;
}

} // namespace stc
