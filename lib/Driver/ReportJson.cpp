// The numbers of a report as one JSON object.
#include "ReportData.h"

#include "stc/Runtime/Benchmark.h"
#include "stc/Runtime/JsonWriter.h"

namespace stc {

namespace {

class Writer : public JsonWriter {
public:
  /// KEY and KEY_stderr.
  void measured(const std::string &key, const Measured &measured) {
    number(key, measured.value);
    number(key + "_stderr", measured.error);
  }
  void quality(const ReportQuality &quality) {
    if (quality.isOfVectors) {
      integer("texts", quality.tokens);
      return measured("cosine_distance", quality.divergence);
    }
    integer("tokens", quality.tokens);
    measured("perplexity", quality.perplexity);
    measured("reference_perplexity", quality.sourcePerplexity);
    measured("kl", quality.divergence);
    measured("top1_agreement", quality.agreement);
  }
  void rates(const std::string &key, const ReportRates &rates) {
    beginObject(key);
    for (auto [name, values] : {std::pair("decode", &rates.decode), {"prefill", &rates.prefill}}) {
      if (!values->empty())
        number(std::string(name) + "_tokens_per_second", median(*values));
      beginArray(std::string(name) + "_rounds");
      for (double value : *values)
        number("", value);
      endArray();
    }
    endObject();
  }
  void textFacts(const ReportText &text);
  void weights(const std::vector<WeightRecord> &records);
  void parts(const ReportData &data);
  void comparison(const ReportData &data);
  void speed(const ReportSpeed &speed);
  void reproduction(const ReportData &data);
};

} // namespace

void Writer::textFacts(const ReportText &text) {
  beginObject("text");
  string("name", text.name);
  string("sha256", text.hash);
  integer("windows", text.windows);
  integer("window_tokens", text.length);
  integer("windows_available", text.available);
  integer("windows_seen_in_calibration", text.seen);
  endObject();
  beginObject("calibration");
  string("name", text.calibration);
  string("sha256", text.calibrationHash);
  integer("sequences", text.calibrationSequences);
  integer("sequence_tokens", text.calibrationLength);
  endObject();
}

void Writer::weights(const std::vector<WeightRecord> &records) {
  beginArray("layers");
  for (const WeightRecord &record : records) {
    beginObject();
    string("name", record.name);
    beginArray("shape");
    for (int64_t size : record.shape)
      integer("", size);
    endArray();
    string("layout", record.layout);
    number("bits", record.bits);
    number("density", record.density);
    integer("bytes", int64_t(record.bytes));
    endObject();
  }
  endArray();
}

void Writer::parts(const ReportData &data) {
  beginObject("part_losses");
  integer("windows", data.layerWindows);
  string("missing", data.layersMissing);
  beginArray("parts");
  for (const ReportPart &part : data.parts) {
    beginObject();
    string("name", part.name);
    boolean("removed", part.removed);
    measured(data.quality.isOfVectors ? "cosine_distance" : "kl", part.divergence);
    endObject();
  }
  endArray();
  endObject();
}

void Writer::comparison(const ReportData &data) {
  constexpr const char *kRoles[] = {"this", "smaller", "larger"};
  constexpr const char *kVerdicts[] = {"none", "this", "dense", "undecided"};
  beginObject("equal_bytes");
  string("missing", data.rowsMissing);
  boolean("dense_uniform", data.isDenseUniform);
  boolean("none_fits", data.noneFits);
  string("better", kVerdicts[int(verdictOf(data))]);
  beginArray("rows");
  for (const ReportRow &row : data.rows) {
    beginObject();
    string("role", kRoles[int(row.role)]);
    string("recipe", row.recipe);
    integer("bytes", row.bytes);
    number("layer_bits_per_weight", row.bitsPerWeight);
    quality(row.quality);
    endObject();
  }
  endArray();
  endObject();
}

void Writer::speed(const ReportSpeed &speed) {
  beginObject("speed");
  string("cpu", speed.cpu);
  integer("threads", speed.threads);
  integer("prompt_tokens", speed.promptTokens);
  integer("generated_tokens", speed.generated);
  rates("source", speed.source);
  rates("model", speed.model);
  endObject();
}

void Writer::reproduction(const ReportData &data) {
  string("version", data.version);
  string("target", data.target);
  beginArray("command_line");
  for (const std::string &word : data.commandLine)
    string("", word);
  endArray();
  string("recipe_yaml", data.recipeText);
  string("structure", data.structure);
  beginArray("files");
  for (const ReportFile &file : data.files) {
    beginObject();
    string("name", file.name);
    integer("bytes", int64_t(file.bytes));
    string("sha256", file.hash);
    endObject();
  }
  endArray();
}

std::string reportJson(const ReportData &data) {
  Writer json;
  json.beginObject();
  json.string("model", data.model);
  json.string("architecture", data.architecture);
  json.string("recipe", data.recipe);
  json.integer("source_bytes", int64_t(data.sourceBytes));
  json.number("source_bits_per_weight", data.sourceBitsPerWeight);
  json.integer("binary_bytes", int64_t(data.binaryBytes));
  json.integer("source_binary_bytes", int64_t(data.sourceBinaryBytes));
  json.integer("total_bytes", int64_t(totalBytes(data.records)));
  json.number("bits_per_weight", bitsPerWeight(data.records, false));
  json.number("layer_bits_per_weight", bitsPerWeight(data.records, true));
  json.textFacts(data.text);
  json.beginObject("quality");
  json.quality(data.quality);
  json.endObject();
  json.weights(data.records);
  json.parts(data);
  json.comparison(data);
  json.speed(data.speed);
  json.beginArray("samples");
  for (const ReportSample &sample : data.samples) {
    json.beginObject();
    json.string("prompt", sample.prompt);
    json.string("source", sample.source);
    json.string("model", sample.model);
    json.endObject();
  }
  json.endArray();
  json.reproduction(data);
  json.endObject();
  return json.text();
}

} // namespace stc
