// What the choices of a request write, as one answer or one stream.
#include "TextJob.h"

#include "TextPart.h"

#include "absl/strings/str_format.h"

#include <ctime>

namespace stc {

absl::StatusOr<std::unique_ptr<Job>> TextJob::create(Served &served, Arrival arrival) {
  bool isChat = arrival.request.path == "/v1/chat/completions";
  std::unique_ptr<TextJob> job(new TextJob(served, std::move(arrival)));
  TextRequest &request = job->request;
  STC_ASSIGN_OR_RETURN(request, parseTextRequest(job->arrival.request.body, isChat));
  STC_RETURN_IF_ERROR(served.prompts->checkModel(request.model));
  STC_ASSIGN_OR_RETURN(job->prompts, served.prompts->read(request));
  // What is wrong about a grammar is said before the text has its turn.
  STC_ASSIGN_OR_RETURN(std::unique_ptr<GrammarConstraint> constraint,
                       served.constraints.take(request));
  served.constraints.give(request, std::move(constraint));
  if (!request.seed && request.choices > 1)
    request.seed = randomSeed();
  AnswerHead &head = job->head;
  head.id =
      absl::StrFormat("%s-%08x%08x", isChat ? "chatcmpl" : "cmpl", randomSeed(), ++served.answers);
  head.model = served.model.settings().name;
  head.created = int64_t(std::time(nullptr));
  head.isChat = isChat;
  head.streamsUsage = request.streamsUsage;
  job->choices.resize(job->prompts.size() * size_t(request.choices));
  job->shown.resize(job->choices.size());
  for (size_t i = 0; i < job->choices.size(); ++i) {
    job->choices[i].index = int64_t(i);
    job->choices[i].hasLogProbs = request.logProbs.has_value();
  }
  for (const TextBeginning &prompt : job->prompts)
    job->usage.promptTokens +=
        int64_t(prompt.source.empty() ? prompt.ids.size() : prompt.source.size());
  return job;
}

/// Every choice of a prompt is a text that `run` would write with a seed of its own.
uint64_t TextJob::seedOf(size_t choice) const {
  return request.seed ? *request.seed + choice % size_t(request.choices) : randomSeed();
}

absl::StatusOr<std::unique_ptr<JobPart>> TextJob::beginNext(TextMemory &memory) {
  size_t choice = begun++;
  return TextPart::create(*this, choice, memory);
}

void TextJob::show(const Choice &piece) {
  size_t index = size_t(piece.index);
  if (!request.streams) {
    Choice &whole = choices[index];
    whole.text += piece.text;
    whole.reason = piece.reason;
    whole.tokens.insert(whole.tokens.end(), piece.tokens.begin(), piece.tokens.end());
    return;
  }
  HttpReply &reply = *arrival.reply;
  if (!hasBegun)
    reply.begin();
  hasBegun = true;
  if (!shown[index])
    reply.write(firstEvent(head, piece.index));
  shown[index] = true;
  Choice rest = piece;
  if (!piece.text.empty()) {
    rest.reason.clear();
    reply.write(textEvent(head, rest));
    rest = {piece.index, "", piece.reason, piece.hasLogProbs, {}};
  }
  if (!rest.reason.empty())
    reply.write(lastEvent(head, rest));
}

void TextJob::countText(size_t choice, const GenerateResult &result, int64_t cachedTokens) {
  usage.completionTokens += result.tokens;
  if (choice % size_t(request.choices) == 0) // of each prompt once, as its tokens
    usage.cachedTokens += cachedTokens;
  served.metrics.countText(result, cachedTokens);
}

void TextJob::complete() {
  count(200);
  HttpReply &reply = *arrival.reply;
  if (!hasBegun)
    return reply.send({200, textAnswer(head, choices, usage)});
  if (request.streamsUsage)
    reply.write(usageEvent(head, usage));
  reply.write(endOfEvents());
  reply.end();
}

} // namespace stc
