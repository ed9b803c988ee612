// The page of --report: one HTML file that needs nothing else, not even a script, to be read.
#include "ReportCharts.h"
#include "ReportData.h"
#include "SvgChart.h"

#include "stc/Runtime/Benchmark.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

#include <algorithm>

namespace stc {

namespace {

constexpr const char *kStyle = R"(
:root{color-scheme:light dark;--line:#8886;--soft:#8881}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;margin:.6rem 0}
th,td{padding:.15rem .7rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left}th{font-weight:600}
.this{background:var(--soft);font-weight:600}
svg{max-width:100%;height:auto;display:block;margin:.5rem 0}
pre{background:var(--soft);padding:.6rem;overflow-x:auto;white-space:pre-wrap;
overflow-wrap:anywhere;unicode-bidi:plaintext;margin:.3rem 0}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
.wide{overflow-x:auto}code{overflow-wrap:anywhere}summary{cursor:pointer}
@media(max-width:40rem){.pair{grid-template-columns:1fr}}
)";

std::string bytesText(double bytes) {
  if (bytes < 1e6)
    return absl::StrFormat("%.1f KB", bytes / 1e3);
  return bytes < 1e9 ? absl::StrFormat("%.2f MB", bytes / 1e6)
                     : absl::StrFormat("%.2f GB", bytes / 1e9);
}

std::string plusMinus(absl::string_view value, double error) {
  return absl::StrCat(value, " \u00b1 ", absl::StrFormat("%.2g", error));
}

std::string perplexityText(const Measured &m) {
  return plusMinus(absl::StrFormat("%.3f", m.value), m.error);
}
std::string divergenceText(const Measured &m) {
  return plusMinus(absl::StrFormat("%.5f", m.value), m.error);
}
/// Of vectors that hardly differ.
std::string distanceText(const Measured &m) {
  return plusMinus(absl::StrFormat("%.3g", m.value), m.error);
}
std::string lossName(const ReportQuality &quality) {
  return quality.isOfVectors ? "cosine distance" : "KL, nats per token";
}
std::string percentText(const Measured &m) {
  return absl::StrFormat("%.2f \u00b1 %.2g %%", 100 * m.value, 100 * m.error);
}

/// A table; cells are markup already.
std::string table(const std::vector<std::string> &head,
                  const std::vector<std::vector<std::string>> &rows, int marked = -1) {
  std::string text = "<div class=\"wide\"><table>\n<thead><tr>";
  for (const std::string &cell : head)
    absl::StrAppend(&text, "<th scope=\"col\">", cell, "</th>");
  text += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    text += int(i) == marked ? "<tr class=\"this\">" : "<tr>";
    for (const std::string &cell : rows[i])
      absl::StrAppend(&text, "<td>", cell, "</td>");
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string paragraph(absl::string_view markup) { return absl::StrCat("<p>", markup, "</p>\n"); }
std::string heading(absl::string_view text) { return absl::StrCat("<h2>", text, "</h2>\n"); }
std::string details(absl::string_view summary, absl::string_view markup) {
  return absl::StrCat("<details><summary>", summary, "</summary>\n", markup, "</details>\n");
}
std::string code(absl::string_view text) {
  return absl::StrCat("<code>", escapeMarkup(text), "</code>");
}
std::string preformatted(absl::string_view text) {
  return absl::StrCat("<pre dir=\"auto\">", escapeMarkup(text), "</pre>\n");
}

std::string rateText(const std::vector<double> &rounds) {
  return rounds.empty() ? "" : absl::StrFormat("%.1f", median(rounds));
}

/// The median over rounds, each of which saw the machine in one state.
std::string ratioText(const std::vector<double> &a, const std::vector<double> &b) {
  std::vector<double> ratios;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i)
    ratios.push_back(a[i] / b[i]);
  return ratios.empty() ? "" : absl::StrFormat("%.2f \u00d7", median(ratios));
}

/// Rounds that differ by more than this say more of the machine's other work than of the model.
constexpr double kSteady = 1.5;

std::string unsteadySentence(const ReportSpeed &speed) {
  double spread = 1;
  for (const ReportRates *rates : {&speed.source, &speed.model})
    for (const std::vector<double> *rounds : {&rates->decode, &rates->prefill})
      if (!rounds->empty()) {
        auto [least, most] = std::minmax_element(rounds->begin(), rounds->end());
        spread = std::max(spread, *most / *least);
      }
  return spread <= kSteady
             ? ""
             : absl::StrFormat(" <strong>The machine was not quiet:</strong> rounds of the same "
                               "program differ by up to %.1f times, so these numbers mean little.",
                               spread);
}

std::string textSentence(const ReportText &text) {
  std::string name = text.name == "default" ? "the text that comes with stc" : code(text.name);
  std::string sentence = absl::StrFormat("Evaluation text: %s; %d of its %d windows of %d tokens.",
                                         name, text.windows, text.available, text.length);
  if (text.calibration.empty())
    return sentence + " The recipe uses no calibration text.";
  std::string other =
      text.calibration == "default" ? "the text that comes with stc" : code(text.calibration);
  absl::StrAppendFormat(&sentence, " Calibration text: %s, %d sequences of %d tokens.", other,
                        text.calibrationSequences, text.calibrationLength);
  if (text.seen == 0)
    return sentence + " They do not overlap.";
  return sentence +
         absl::StrFormat(" <strong>They overlap:</strong> calibration has seen %d of the "
                         "windows, so losses look smaller than they are.",
                         text.seen);
}

std::string headSection(const ReportData &data) {
  const ReportQuality &q = data.quality;
  std::string text = absl::StrCat("<h1>", escapeMarkup(data.model), " <small>(",
                                  escapeMarkup(data.architecture), ")</small></h1>\n");
  text += paragraph("Recipe: " + code(data.recipe));
  double ratio = data.binaryBytes > 0 ? double(data.sourceBytes) / double(data.binaryBytes) : 0;
  std::vector<std::vector<std::string>> rows = {
      {"bytes", absl::StrCat(bytesText(double(data.sourceBytes)), " (tensors)"),
       absl::StrFormat("%s (the whole program; 1/%.2f)", bytesText(double(data.binaryBytes)),
                       ratio)},
      {"bits per weight, matrices of layers", "",
       absl::StrFormat("%.3f", bitsPerWeight(data.records, true))},
      {"bits per weight, all", absl::StrFormat("%.3f", data.sourceBitsPerWeight),
       absl::StrFormat("%.3f", bitsPerWeight(data.records, false))}};
  if (q.isOfVectors) {
    rows.push_back({"cosine distance from the source's vectors", "0", distanceText(q.divergence)});
  } else {
    rows.push_back(
        {"perplexity", perplexityText(q.sourcePerplexity), perplexityText(q.perplexity)});
    rows.push_back({"KL(source || this), nats per token", "0", divergenceText(q.divergence)});
    rows.push_back({"same next token", "100 %", percentText(q.agreement)});
    rows.push_back({"decoding, tokens/s", rateText(data.speed.source.decode),
                    rateText(data.speed.model.decode)});
  }
  rows.push_back({q.isOfVectors ? "texts, tokens/s" : "prompts, tokens/s",
                  rateText(data.speed.source.prefill), rateText(data.speed.model.prefill)});
  text += table({"", "source", "this binary"}, rows);
  const char *unit = q.isOfVectors ? "texts" : "tokens";
  return text + paragraph(absl::StrCat(
                    "Quality is measured with the binary itself, int8 activations included, over ",
                    q.tokens, " ", unit,
                    ", against the source compiled without compression. \u00b1 is the standard "
                    "error over ",
                    unit, ". ", textSentence(data.text)));
}

std::string weightTable(const ReportData &data) {
  std::vector<std::vector<std::string>> rows;
  for (const WeightRecord &record : data.records) {
    std::string shape;
    for (int64_t size : record.shape)
      absl::StrAppend(&shape, shape.empty() ? "" : "\u00d7", size);
    rows.push_back({escapeMarkup(record.name), shape, escapeMarkup(record.layout),
                    absl::StrFormat("%.3f", record.density), absl::StrFormat("%.3f", record.bits),
                    absl::StrCat(record.bytes), escapeMarkup(record.reason)});
  }
  return details("Every weight",
                 table({"weight", "shape", "layout", "density", "bits", "bytes", "why"}, rows));
}

std::string chartSection(const ReportData &data) {
  std::string text = heading("Where the bytes are");
  std::vector<PartSummary> parts = summarizeParts(data);
  std::vector<std::vector<std::string>> rows;
  for (const PartSummary &part : parts)
    rows.push_back({escapeMarkup(part.name), absl::StrCat(part.bytes),
                    part.layerWeights > 0 ? absl::StrFormat("%.3f", part.bitsPerWeight()) : ""});
  std::string numbers =
      details("Numbers", table({"part", "bytes", "bits per weight, matrices"}, rows));
  text += drawBars(bytesChart(data)) + numbers;
  text += heading("Bits per weight") + drawBars(bitsChart(data)) +
          paragraph("Matrices of layers, scales and masks included. The numbers are in the table "
                    "above.");
  text += heading("Layouts") + drawGrid(layoutChart(data)) + weightTable(data);
  return text;
}

std::string partSection(const ReportData &data) {
  std::string text = heading("What each part costs");
  if (data.parts.empty())
    return text + paragraph("Not measured: " + escapeMarkup(data.layersMissing));
  text += drawBars(lossChart(data));
  std::vector<std::vector<std::string>> rows;
  for (const ReportPart &part : data.parts)
    rows.push_back(
        {escapeMarkup(part.name) + (part.removed ? " (removed)" : ""),
         absl::StrFormat("%.3g \u00b1 %.2g", part.divergence.value, part.divergence.error)});
  text += details("Numbers", table({"part", lossName(data.quality)}, rows));
  return text + paragraph(absl::StrCat(
                    data.quality.isOfVectors ? "The mean of 1 - cosine of both models' vectors"
                                             : "KL(source || model)",
                    " when this part alone is the compressed one and the rest is "
                    "the source's, in 32-bit arithmetic, on ",
                    data.layerWindows, " of the windows."));
}

std::string verdictSentence(const ReportData &data) {
  switch (verdictOf(data)) {
  case ReportVerdict::This:
    return "<strong>This recipe is better</strong> than the dense one that is no larger.";
  case ReportVerdict::Dense:
    return "<strong>The dense recipe is better:</strong> it loses less in no more bytes.";
  case ReportVerdict::Undecided:
    return "<strong>Undecided:</strong> the two differ by less than twice the standard error on "
           "this text.";
  case ReportVerdict::None:
    break;
  }
  if (data.isDenseUniform)
    return "This recipe is dense and uniform itself; beside it stand its neighbours in bytes.";
  return data.noneFits ? "No dense uniform recipe is as small as this one; the smallest stands "
                         "beside it."
                       : "";
}

std::string comparisonSection(const ReportData &data) {
  std::string text = heading("Beside dense recipes of the same bytes");
  if (data.rows.empty())
    return text + paragraph("Not measured: " + escapeMarkup(data.rowsMissing));
  std::vector<std::vector<std::string>> rows;
  bool isOfVectors = data.quality.isOfVectors;
  std::vector<std::string> head{"recipe", "bytes of all weights",
                                "bits per weight, matrices of layers", lossName(data.quality)};
  if (!isOfVectors)
    head.insert(head.end(), {"perplexity", "same next token"});
  for (const ReportRow &row : data.rows) {
    rows.push_back({escapeMarkup(row.recipe), bytesText(double(row.bytes)),
                    absl::StrFormat("%.3f", row.bitsPerWeight),
                    isOfVectors ? distanceText(row.quality.divergence)
                                : divergenceText(row.quality.divergence)});
    if (!isOfVectors)
      rows.back().insert(rows.back().end(), {perplexityText(row.quality.perplexity),
                                             percentText(row.quality.agreement)});
  }
  text += paragraph(verdictSentence(data)) + table(head, rows, 0);
  std::string method = absl::StrCat(
      "Candidates are int8, int4, int3 and int2 with groups of 32, 64 and 128 in every matrix of a "
      "layer",
      data.isDenseUniform
          ? ""
          : ", of which the best that fits is taken (the most bits, then the smallest groups)",
      "; calibration, repair, rotation and head are those of this recipe. All rows are compressed "
      "for real "
      "and "
      "measured alike: stored weights, 32-bit activations, ",
      data.rows[0].quality.tokens, isOfVectors ? " texts" : " tokens",
      " of the evaluation text. So the loss differs a little from the "
      "binary's above, which has int8 activations.");
  if (!data.rowsMissing.empty())
    absl::StrAppend(&method, " ", escapeMarkup(data.rowsMissing));
  return text + paragraph(method);
}

std::string speedSection(const ReportData &data) {
  const ReportSpeed &speed = data.speed;
  std::string text = heading("Speed");
  bool decodes = !speed.model.decode.empty();
  std::vector<std::vector<std::string>> medians;
  if (decodes)
    medians.push_back({"decoding", rateText(speed.source.decode), rateText(speed.model.decode),
                       ratioText(speed.model.decode, speed.source.decode)});
  medians.push_back({decodes ? "prompts" : "texts", rateText(speed.source.prefill),
                     rateText(speed.model.prefill),
                     ratioText(speed.model.prefill, speed.source.prefill)});
  text += table({"tokens/s", "source, uncompressed", "this binary", "ratio, median of rounds"},
                medians);
  auto rate = [](const std::vector<double> &rounds, size_t i) {
    return i < rounds.size() ? absl::StrFormat("%.1f", rounds[i]) : "";
  };
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < speed.model.prefill.size() && i < speed.source.prefill.size(); ++i)
    rows.push_back({absl::StrCat(i + 1), rate(speed.source.decode, i), rate(speed.model.decode, i),
                    rate(speed.source.prefill, i), rate(speed.model.prefill, i)});
  text += details("Rounds", table({"round", "decoding, source", "decoding, this", "prompts, source",
                                   "prompts, this"},
                                  rows));
  std::string what = decodes ? absl::StrFormat("a prompt of %d tokens, then %d one by one",
                                               speed.promptTokens, speed.generated)
                             : absl::StrFormat("texts of %d tokens", speed.promptTokens);
  std::string method = absl::StrFormat(
      "Medians of %d rounds of each program's own <code>bench</code>, in turns: %s; %d threads on "
      "%s.",
      rows.size(), what, speed.threads, escapeMarkup(speed.cpu));
  return text + paragraph(method + unsteadySentence(speed));
}

std::string sampleSection(const ReportData &data) {
  if (data.quality.isOfVectors)
    return ""; // an encoder writes nothing
  std::string text = heading("Sample text");
  text += paragraph(data.hasTokenizer ? "The most likely token at every step, after a prompt from "
                                        "the evaluation text."
                                      : "Token ids, as the model has no tokenizer: the most likely "
                                        "one at every step.");
  for (const ReportSample &sample : data.samples)
    absl::StrAppend(&text, paragraph("Prompt:"), preformatted(sample.prompt),
                    "<div class=\"pair\"><div>", paragraph("Source:"), preformatted(sample.source),
                    "</div><div>", paragraph("This binary:"), preformatted(sample.model),
                    "</div></div>\n");
  return text;
}

/// A word as a shell reads it.
std::string shellQuote(const std::string &word) {
  constexpr const char *plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=/.,:@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos)
    return word;
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

std::string reproductionSection(const ReportData &data) {
  std::string line;
  for (const std::string &word : data.commandLine)
    absl::StrAppend(&line, line.empty() ? "" : " ", shellQuote(word));
  std::string text = heading("How to make it again") + preformatted(line);
  text += paragraph(absl::StrCat(escapeMarkup(data.version), "; target ", code(data.target), "."));
  text += paragraph("The weights' part of it as a recipe, for <code>--recipe</code>" +
                    (data.structure.empty() ? std::string(":")
                                            : " beside what removes structure (" +
                                                  escapeMarkup(data.structure) + "):"));
  text += preformatted(data.recipeText);
  std::vector<std::vector<std::string>> rows;
  for (const ReportFile &file : data.files)
    rows.push_back({escapeMarkup(file.name), absl::StrCat(file.bytes), code(file.hash)});
  rows.push_back({"evaluation text: " + escapeMarkup(data.text.name), "", code(data.text.hash)});
  if (!data.text.calibration.empty())
    rows.push_back({"calibration text: " + escapeMarkup(data.text.calibration), "",
                    code(data.text.calibrationHash)});
  return text + table({"file", "bytes", "SHA-256"}, rows);
}

} // namespace

std::string reportPage(const ReportData &data) {
  // "</script>" within the JSON must not end it.
  std::string json = absl::StrReplaceAll(reportJson(data), {{"<", "\\u003c"}});
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      escapeMarkup(data.model), ": ", escapeMarkup(data.recipe), "</title>\n<style>", kStyle,
      "</style>\n</head>\n<body>\n", headSection(data), comparisonSection(data), chartSection(data),
      partSection(data), speedSection(data), sampleSection(data), reproductionSection(data),
      "<script type=\"application/json\" id=\"stc-report\">", json,
      "</script>\n</body>\n</html>\n");
}

} // namespace stc
