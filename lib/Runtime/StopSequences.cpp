// Finds stop sequences in a stream of text.
#include "stc/Runtime/StopSequences.h"

#include "absl/strings/match.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace stc {

StopSequences::StopSequences(std::vector<std::string> sequences)
    : sequences(std::move(sequences)) {}

std::string StopSequences::push(absl::string_view piece) {
  if (stopped)
    return "";
  pending.append(piece.data(), piece.size());
  // The one that is complete first counts, so that it does not matter where pieces end.
  size_t end = std::string::npos, complete = std::string::npos;
  for (const std::string &sequence : sequences) {
    size_t begin = sequence.empty() ? std::string::npos : pending.find(sequence);
    if (begin != std::string::npos)
      std::tie(complete, end) =
          std::min(std::pair(complete, end), std::pair(begin + sequence.size(), begin));
  }
  if (end != std::string::npos) {
    stopped = true;
  } else {
    // The longest end of the text that a sequence begins with has to wait.
    end = pending.size();
    for (const std::string &sequence : sequences)
      for (size_t length = std::min(sequence.size(), pending.size() + 1); length-- > 1;)
        if (absl::EndsWith(pending, absl::string_view(sequence).substr(0, length))) {
          end = std::min(end, pending.size() - length);
          break;
        }
  }
  std::string ready = pending.substr(0, end);
  pending = stopped ? "" : pending.substr(end);
  return ready;
}

std::string StopSequences::finish() { return std::exchange(pending, {}); }

} // namespace stc
