// What a report measures with the finished binary, beside its source compiled without compression.
#ifndef STC_LIB_DRIVER_REPORTBINARY_H
#define STC_LIB_DRIVER_REPORTBINARY_H

#include "ReportText.h"

namespace stc {

/// Two programs; their paths contain a '/'.
struct ReportBinaries {
  std::string source, model;
};

/// The model's `eval --reference` on the windows. `scratch` is a path beside which a temporary file
/// may stand.
absl::StatusOr<ReportQuality> evaluateBinary(const ReportBinaries &binaries,
                                             const EvaluationText &text,
                                             const std::string &scratch);

/// Both programs' `bench`, in turns. `settings` are those of both.
absl::StatusOr<ReportSpeed> benchBinaries(const ReportBinaries &binaries,
                                          const ModelSettings &settings);

/// Both continue the beginnings of one or two windows.
absl::StatusOr<std::vector<ReportSample>> sampleBinaries(const ReportBinaries &binaries,
                                                         const EvaluationText &text,
                                                         const Tokenizer *tokenizer,
                                                         int64_t context);

/// The processor's name, as the system has it.
std::string processorName();

} // namespace stc

#endif // STC_LIB_DRIVER_REPORTBINARY_H
