// Vectors of texts.
#ifndef STC_LIB_RUNTIME_SERVE_EMBEDDINGJOB_H
#define STC_LIB_RUNTIME_SERVE_EMBEDDINGJOB_H

#include "Job.h"

namespace stc {

/// A request to /v1/embeddings: every text is a part of one turn.
class EmbeddingJob : public Job {
public:
  /// As Job::create.
  static absl::StatusOr<std::unique_ptr<Job>> create(Served &served, Arrival arrival);

  bool hasWaiting() const override { return vectors.size() < texts.size() && !isGone(); }
  absl::StatusOr<std::unique_ptr<JobPart>> beginNext(TextMemory &memory) override;
  void complete() override;

private:
  using Job::Job;
  class Part;

  EmbeddingRequest request;
  std::vector<std::vector<int32_t>> texts;
  std::vector<std::vector<float>> vectors; // of the texts that were begun
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_EMBEDDINGJOB_H
