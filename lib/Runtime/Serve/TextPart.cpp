// The turns of one text, and what they show.
#include "TextPart.h"

#include "../Commands/TextOutput.h"

#include <algorithm>

namespace stc {

namespace {

/// As `run` has it. A chat's answer ends by itself.
constexpr int64_t kTokensOfCompletion = 128;

} // namespace

TextPart::TextPart(TextJob &job, size_t choice, TextMemory &memory)
    : job(job), choice(choice), memory(memory), prompt(job.prompts[job.promptOf(choice)]),
      seed(job.seedOf(choice)), sampler(job.request.sampling, seed),
      text(*job.served.model.tokenizer(), prompt.isMidText, job.request.stops) {}

TextPart::~TextPart() { job.served.constraints.give(job.request, std::move(constraint)); }

absl::StatusOr<std::unique_ptr<TextPart>> TextPart::create(TextJob &job, size_t choice,
                                                           TextMemory &memory) {
  std::unique_ptr<TextPart> part(new TextPart(job, choice, memory));
  STC_RETURN_IF_ERROR(part->begin());
  return part;
}

absl::Status TextPart::begin() {
  const TextRequest &request = job.request;
  STC_ASSIGN_OR_RETURN(constraint, job.served.constraints.take(request));
  const Tokenizer &tokenizer = *job.served.model.tokenizer();
  if (request.logProbs) {
    // With the prompt the text begins there.
    bool strips = request.echoes ? tokenizer.spec().stripPrefixSpaceOnDecode : text.stripsSpace();
    logProbs.emplace(tokenizer, *request.logProbs, strips);
  }
  scoresPrompt = request.echoes && request.logProbs;
  bool hasEncoder = !prompt.source.empty();
  // Of what was read before nobody knows any more how likely it was.
  if (hasEncoder || scoresPrompt || !request.reusesPrompt)
    memory.forget();
  if (hasEncoder)
    STC_RETURN_IF_ERROR(memory.session().readSource(prompt.source));
  if (!scoresPrompt)
    return beginText();
  pending.push_back(logProbs->next(prompt.ids.front(), {}));
  return prompt.ids.size() == 1 ? beginText() : absl::OkStatus();
}

/// The text begins behind the prompt, of which all but the last token may have been read.
absl::Status TextPart::beginText() {
  scoresPrompt = false;
  const TextRequest &request = job.request;
  GenerateOptions options;
  options.grammar = constraint.get();
  options.maxTokens = request.maxTokens.value_or(
      request.isChat ? job.served.model.settings().maxContext : kTokensOfCompletion);
  options.endTokens = prompt.endTokens;
  options.stop = &job.arrival.reply->gone();
  options.done = text.done();
  if (constraint)
    constraint->restart(text.stripsSpace());
  int64_t known = memory.keepBeginning(prompt.ids);
  if (scored == 0)
    cachedTokens = known;
  sampler.observe(absl::MakeConstSpan(prompt.ids).first(size_t(known)));
  return memory.begin(sampler, prompt.ids, options);
}

/// Reads a chunk of the prompt, and says of each token how likely it made the next.
absl::Status TextPart::scorePrompt() {
  size_t chunk = size_t(job.served.model.settings().prefillChunk);
  auto ids = absl::MakeConstSpan(prompt.ids);
  auto part = ids.subspan(scored, std::min(chunk, ids.size() - 1 - scored));
  STC_RETURN_IF_ERROR(memory.score(part, [&](int64_t first, absl::Span<const float> logits) {
    size_t vocabulary = size_t(job.served.model.settings().vocabSize);
    for (size_t row = 0; row * vocabulary < logits.size(); ++row)
      pending.push_back(logProbs->next(ids[scored + size_t(first) + row + 1],
                                       logits.subspan(row * vocabulary, vocabulary)));
    return absl::OkStatus();
  }));
  scored += part.size();
  return scored + 1 == ids.size() ? beginText() : absl::OkStatus();
}

absl::StatusOr<bool> TextPart::advance() {
  if (scoresPrompt && !job.isGone()) {
    STC_RETURN_IF_ERROR(scorePrompt());
    return true;
  }
  if (scoresPrompt)
    return false;
  STC_ASSIGN_OR_RETURN(bool more, memory.advance([this](int32_t token) { return take(token); }));
  if (more)
    return true;
  GenerateResult result = memory.text()->result();
  result.promptTokens += int64_t(scored);
  std::string rest = text.finish();
  show(std::move(rest), finishReason(result.reason, *text.done()));
  job.countText(choice, result, cachedTokens);
  if (!job.served.quiet)
    printSummary(result, job.served.model.settings().maxContext, seed, cachedTokens);
  return false;
}

absl::Status TextPart::take(int32_t token) {
  if (!job.hasToken)
    job.served.metrics.countFirstToken(job.arrival.secondsSince());
  job.hasToken = true;
  if (logProbs)
    pending.push_back(logProbs->next(token, memory.text()->logits()));
  show(text.push(token), "");
  return absl::OkStatus();
}

/// Hands on a piece of the text, with the prompt before the first one, and the tokens that begin in
/// what is shown by now: a stop sequence may take away those that come after.
void TextPart::show(std::string piece, std::string reason) {
  if (job.request.echoes && !isEchoed)
    piece.insert(0, prompt.text);
  isEchoed = true;
  // Not nothing, but for the beginning of a stream and its end.
  if (piece.empty() && reason.empty() && job.hasBegun)
    return;
  characters += countCharacters(piece);
  Choice shown;
  shown.index = int64_t(choice);
  shown.hasLogProbs = logProbs.has_value();
  auto end = pending.begin();
  while (end != pending.end() && (end->offset < characters || (!reason.empty() && !*text.done())))
    ++end;
  std::move(pending.begin(), end, std::back_inserter(shown.tokens));
  pending.erase(pending.begin(), end);
  shown.text = std::move(piece);
  shown.reason = std::move(reason);
  job.show(shown);
}

} // namespace stc
