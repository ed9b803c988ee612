// Who is next.
#include "Scheduler.h"

#include <algorithm>
#include <tuple>

namespace stc {

namespace {

/// More than what a tokenizer or a chat template puts before every text.
constexpr int64_t kFewTokens = 8;

absl::Status endingStatus() { return absl::UnavailableError("the server ends"); }

} // namespace

Scheduler::Scheduler(Served &served, std::vector<std::unique_ptr<TextMemory>> memories,
                     size_t mostWaiting)
    : served(served), mostWaiting(mostWaiting), slots(memories.size()) {
  for (size_t i = 0; i < slots.size(); ++i)
    slots[i].memory = std::move(memories[i]);
  worker = std::thread([this] { run(); });
}

Scheduler::~Scheduler() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    ending = Ending::Dropped;
  }
  changed.notify_one();
  worker.join();
  for (Slot &slot : slots)
    slot.part.reset(); // before its job
}

bool Scheduler::add(Arrival arrival) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (waiting >= mostWaiting)
      return false;
    ++waiting;
    arrivals.push_back(std::move(arrival));
  }
  changed.notify_one();
  return true;
}

void Scheduler::end(bool atOnce) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    ending = std::max(ending, atOnce ? Ending::AtOnce : Ending::AfterTexts);
  }
  changed.notify_one();
}

Metrics::Gauges Scheduler::gauges() const {
  std::lock_guard<std::mutex> lock(mutex);
  return {slots.size(), busy, waiting};
}

void Scheduler::run() {
  std::deque<Arrival> arrived;
  Ending asked = Ending::Never;
  while (waitForWork(arrived, asked)) {
    // One in every round: to read a long one takes as long as a token.
    if (!arrived.empty()) {
      takeIn(std::move(arrived.front()));
      arrived.pop_front();
    }
    endJobs(asked);
    dropWaiting();
    fillSlots();
    takeTurns();
  }
}

/// False once the scheduler is to end.
bool Scheduler::waitForWork(std::deque<Arrival> &arrived, Ending &asked) {
  std::unique_lock<std::mutex> lock(mutex);
  busy = size_t(std::count_if(slots.begin(), slots.end(),
                              [](const Slot &slot) { return slot.part != nullptr; }));
  changed.wait(lock, [&] {
    return ending == Ending::Dropped || !arrivals.empty() || !arrived.empty() || !entries.empty();
  });
  std::move(arrivals.begin(), arrivals.end(), std::back_inserter(arrived));
  arrivals.clear();
  asked = ending;
  return ending != Ending::Dropped;
}

void Scheduler::noLongerWaits(size_t count) {
  std::lock_guard<std::mutex> lock(mutex);
  waiting -= count;
}

void Scheduler::takeIn(Arrival arrival) {
  absl::StatusOr<std::unique_ptr<Job>> job = Job::create(served, arrival);
  if (job.ok()) {
    entries.emplace_back().job = *std::move(job);
  } else {
    noLongerWaits(1);
    refuse(served, arrival, job.status());
  }
}

void Scheduler::endJobs(Ending asked) {
  if (asked == Ending::Never)
    return;
  for (auto next = entries.begin(); next != entries.end();) {
    Entry &entry = *next++;
    if (entry.started == 0 || asked == Ending::AtOnce)
      fail(entry, endingStatus());
  }
}

/// Those that nobody waits for any more; a text that is being written ends by itself.
void Scheduler::dropWaiting() {
  for (auto next = entries.begin(); next != entries.end();) {
    Entry &entry = *next++;
    if (entry.started == 0 && entry.job->isGone())
      fail(entry, absl::UnavailableError("the client has left"));
  }
}

/// The request that is to have a slot: one of those with the fewest, of these with the fewest so
/// far, of these the first. Null if none waits.
Scheduler::Entry *Scheduler::nextInLine() {
  Entry *next = nullptr;
  for (Entry &entry : entries)
    if (entry.job->hasWaiting() &&
        (!next || std::tie(entry.running, entry.started) < std::tie(next->running, next->started)))
      next = &entry;
  return next;
}

/// The one that has read the most of a text's beginning, unless that is as little as any two texts
/// may have in common: then the one that was not used for the longest time. Null if none is free.
Scheduler::Slot *Scheduler::freeSlot(absl::Span<const int32_t> beginning) {
  Slot *nearest = nullptr, *oldest = nullptr;
  int64_t most = 0;
  for (Slot &slot : slots) {
    if (slot.part)
      continue;
    if (!oldest || slot.lastUse < oldest->lastUse)
      oldest = &slot;
    if (int64_t common = slot.memory->commonBeginning(beginning); common > most) {
      most = common;
      nearest = &slot;
    }
  }
  bool isMuch = most >= kFewTokens || 2 * most >= int64_t(beginning.size());
  return nearest && isMuch ? nearest : oldest;
}

void Scheduler::fillSlots() {
  while (Entry *entry = nextInLine()) {
    Slot *slot = freeSlot(entry->job->nextBeginning());
    if (!slot)
      return;
    if (entry->started++ == 0)
      noLongerWaits(1);
    slot->lastUse = ++uses;
    absl::StatusOr<std::unique_ptr<JobPart>> part = entry->job->beginNext(*slot->memory);
    if (!part.ok()) {
      slot->memory->stop();
      fail(*entry, part.status());
      continue;
    }
    slot->part = *std::move(part);
    slot->entry = entry;
    ++entry->running;
  }
}

void Scheduler::takeTurns() {
  for (Slot &slot : slots) {
    if (!slot.part)
      continue;
    Entry &entry = *slot.entry;
    absl::StatusOr<bool> more = slot.part->advance();
    if (!more.ok()) {
      fail(entry, more.status());
    } else if (!*more) {
      release(slot);
      completeIfDone(entry);
    }
  }
  // Those of which parts waited until their clients left.
  for (auto next = entries.begin(); next != entries.end();)
    completeIfDone(*next++);
}

/// What the slot's memory has read by now stays there.
void Scheduler::release(Slot &slot) {
  slot.part.reset();
  slot.memory->stop();
  --slot.entry->running;
  slot.entry = nullptr;
}

void Scheduler::completeIfDone(Entry &entry) {
  if (entry.started == 0 || entry.running > 0 || entry.job->hasWaiting())
    return;
  entry.job->complete();
  erase(entry);
}

void Scheduler::fail(Entry &entry, const absl::Status &status) {
  if (entry.started == 0)
    noLongerWaits(1);
  for (Slot &slot : slots)
    if (slot.entry == &entry)
      release(slot);
  entry.job->fail(status);
  erase(entry);
}

void Scheduler::erase(Entry &entry) {
  entries.remove_if([&](const Entry &other) { return &other == &entry; });
}

} // namespace stc
