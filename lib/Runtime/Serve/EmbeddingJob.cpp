// Texts in, vectors out.
#include "EmbeddingJob.h"

#include "stc/Runtime/Serve/OpenAiResponses.h"

namespace stc {

class EmbeddingJob::Part : public JobPart {
public:
  Part(EmbeddingJob &job, size_t index, TextMemory &memory)
      : job(job), index(index), memory(memory) {}
  absl::StatusOr<bool> advance() override {
    memory.forget();
    STC_ASSIGN_OR_RETURN(job.vectors[index], memory.session().embed(job.texts[index]));
    job.served.metrics.countEmbedding(int64_t(job.texts[index].size()));
    return false;
  }

private:
  EmbeddingJob &job;
  const size_t index;
  TextMemory &memory;
};

absl::StatusOr<std::unique_ptr<Job>> EmbeddingJob::create(Served &served, Arrival arrival) {
  std::unique_ptr<EmbeddingJob> job(new EmbeddingJob(served, std::move(arrival)));
  STC_ASSIGN_OR_RETURN(job->request, parseEmbeddingRequest(job->arrival.request.body));
  STC_RETURN_IF_ERROR(served.prompts->checkModel(job->request.model));
  STC_RETURN_IF_ERROR(served.model.require(Ability::Embed));
  // All are checked before any is read: none is embedded in vain.
  for (const TextOrTokens &input : job->request.inputs) {
    STC_ASSIGN_OR_RETURN(job->texts.emplace_back(), served.prompts->readWhole(input));
  }
  return job;
}

absl::StatusOr<std::unique_ptr<JobPart>> EmbeddingJob::beginNext(TextMemory &memory) {
  vectors.emplace_back();
  return std::make_unique<Part>(*this, vectors.size() - 1, memory);
}

void EmbeddingJob::complete() {
  int64_t tokens = 0;
  for (const std::vector<int32_t> &text : texts)
    tokens += int64_t(text.size());
  count(200);
  arrival.reply->send(
      {200, embeddingAnswer(served.model.settings().name, vectors, request.isBase64, tokens)});
}

} // namespace stc
