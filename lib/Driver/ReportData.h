// Everything that the page of --report shows, collected before any of it is written.
#ifndef STC_LIB_DRIVER_REPORTDATA_H
#define STC_LIB_DRIVER_REPORTDATA_H

#include "stc/Packing/Bundle.h"

#include <string>
#include <vector>

namespace stc {

/// A number and its standard error.
struct Measured {
  double value = 0, error = 0;
};

/// How well a model predicts a text, beside its source.
struct ReportQuality {
  int64_t tokens = 0; // scored; texts of an encoder
  Measured perplexity, sourcePerplexity;
  Measured divergence; // KL(source || model), nats per token
  Measured agreement;  // the share of tokens whose most likely successor is the same
  /// Of an encoder: `divergence` is 1 - cosine, and perplexity and agreement are none.
  bool isOfVectors = false;
};

/// The text that quality is measured on.
struct ReportText {
  std::string name;                // "default" or a path
  std::string hash;                // SHA-256 of the whole text or file
  int64_t windows = 0, length = 0; // tokens of a window, BOS included
  int64_t available = 0;           // windows that the text has
  int64_t seen = 0;        // windows that share a long run of tokens with the calibration text
  std::string calibration; // its name; empty: none
  std::string calibrationHash;
  int64_t calibrationSequences = 0, calibrationLength = 0;
};

/// The loss when one part of the model alone is the compressed one.
struct ReportPart {
  std::string name;
  bool removed = false;
  Measured divergence;
};

/// A row of the equal-bytes table.
struct ReportRow {
  enum class Role { This, Smaller, Larger } role = Role::This; // beside this recipe, in bytes
  std::string recipe;
  int64_t bytes = 0;        // of all weights
  double bitsPerWeight = 0; // of the matrices of layers
  ReportQuality quality;
};

/// Tokens per second in every round; medians are what counts.
struct ReportRates {
  std::vector<double> decode, prefill;
};

struct ReportSpeed {
  ReportRates source, model; // in turns
  int64_t promptTokens = 0, generated = 0, threads = 0;
  std::string cpu;
};

/// What source and model make of one prompt, always taking the most likely token.
struct ReportSample {
  std::string prompt, source, model;
};

/// A file of the checkpoint.
struct ReportFile {
  std::string name, hash; // SHA-256
  uint64_t bytes = 0;
};

struct ReportData {
  std::string model, architecture, recipe;
  uint64_t sourceBytes = 0; // of all tensors of the checkpoint
  double sourceBitsPerWeight = 0;
  uint64_t binaryBytes = 0;       // of the file
  uint64_t sourceBinaryBytes = 0; // the same, compiled without compression
  std::vector<WeightRecord> records;

  ReportText text;
  ReportQuality quality; // of the binary, by its own logits
  /// On the IR with 32-bit activations, on `layerWindows` windows; empty: `layersMissing` says why.
  std::vector<ReportPart> parts;
  int64_t layerWindows = 0;
  std::string layersMissing;

  /// This recipe first; on the IR with 32-bit activations. Empty: `rowsMissing` says why.
  std::vector<ReportRow> rows;
  std::string rowsMissing;
  bool isDenseUniform = false; // this recipe itself: the others are its neighbours
  bool noneFits = false;       // every dense uniform recipe takes more bytes than this one

  ReportSpeed speed;
  bool hasTokenizer = true; // else samples are token ids
  std::vector<ReportSample> samples;

  std::string version, target;
  std::vector<std::string> commandLine;
  std::string recipeText; // YAML
  std::string structure;  // what of the graph was removed, as options; empty: nothing
  std::vector<ReportFile> files;
};

/// A weight's place: "layers.3.experts.7.gate" is part "layers.3" and kind "experts.gate",
/// "encoder.layers.3.q" part "encoder.layers.3" and kind "q"; weights outside of layers are parts
/// of their own, without a kind.
struct WeightPlace {
  std::string part, kind;
};
WeightPlace placeOf(absl::string_view name);
/// Whether it is a matrix of a layer: one that compression is about.
bool isLayerMatrix(const WeightRecord &record);
/// The number of weights that its shape says.
double weightCount(const WeightRecord &record);
/// Stored bits per weight of all records that `layersOnly` admits; 0 of none.
double bitsPerWeight(const std::vector<WeightRecord> &records, bool layersOnly);
uint64_t totalBytes(const std::vector<WeightRecord> &records);

/// What the equal-bytes table comes to.
enum class ReportVerdict {
  None,      // there is no table
  This,      // this recipe loses less than the dense one that is no larger
  Dense,     // it loses more
  Undecided, // the difference is within twice its standard error
};
ReportVerdict verdictOf(const ReportData &data);

/// The page, and the JSON object with all numbers that it holds.
std::string reportPage(const ReportData &data);
std::string reportJson(const ReportData &data);

} // namespace stc

#endif // STC_LIB_DRIVER_REPORTDATA_H
