#include "sidecar/queue/codec.h"
#include "sidecar/queue/registry.h"

namespace pannier::queue {
namespace {

using How = Taken::How;

spool::Target target_of(const Queue& queue, const Pushed& pushed) {
  spool::Target target = queue.target_for(*pushed.message);
  target.delivery_count = pushed.delivery_count;
  target.redelivered = pushed.redelivered;
  return target;
}

}  // namespace

Result<Taken> Registry::take(const QueuePtr& queue, const PushSource& source,
                             std::span<const Pushed> pushed) {
  Taken refused;
  if (queue->is_gone()) {
    refused.outcomes.assign(pushed.size(),
                            {How::refused, 0, "queue '" + queue->name() + "' has been deleted"});
    return refused;
  }
  if (queue->settings().durability == Durability::memory)
    return take_unsynced(*queue, source, pushed);
  while (true) {
    auto taken = take_journaled(*queue, source, pushed);
    const bool is_too_large = !taken && taken.error().code == Errc::too_large;
    if (!is_too_large) return taken;
    if (pushed.size() == 1) {
      refused.outcomes.push_back({How::refused, 0, taken.error().detail});
      return refused;
    }
    pushed = pushed.first(pushed.size() / 2);
  }
}

// Errors: spool_busy and too_large. Looks at the mark once more: the same message may have come
// over another connection since it was looked at last.
Result<Taken> Registry::take_journaled(Queue& queue, const PushSource& source,
                                       std::span<const Pushed> pushed) {
  Taken taken;
  taken.outcomes.resize(pushed.size());
  PushMarks::Growth growth = marks_.grow(source);
  std::vector<std::size_t> journaled;
  std::vector<std::size_t> twice;  // within this batch
  std::uint64_t bytes = 0;
  spool::Group group = std::exchange(group_, {});
  group.clear();
  for (std::size_t i = 0; i < pushed.size(); ++i) {
    const Pushed& each = pushed[i];
    Taken::Outcome& outcome = taken.outcomes[i];
    if (marks_.holds(source, each.sequence)) {
      outcome = {How::known, marks_.commit_of(source), {}};
      continue;
    }
    if (growth.holds(each.sequence)) {
      twice.push_back(i);
      continue;
    }
    const std::uint64_t with = bytes + each.message->bytes();
    if (const auto may = queue.may_put(with, journaled.size() + 1); !may) {
      outcome = {How::refused, 0, may.error().detail};
      continue;
    }
    if (!growth.add(each.sequence)) {
      outcome = {How::refused, 0, "too many messages of that queue wait to be forgotten"};
      continue;
    }
    const spool::Target target = target_of(queue, each);
    group.publish(content_of(*each.message, codec_of(queue)), {&target, 1});
    journaled.push_back(i);
    bytes = with;
  }
  Result<Commit> commit = Commit{0};
  if (!journaled.empty()) {
    marks_.put(group, growth);
    commit = context_.spool.append(group);
  }
  const auto code = commit ? std::optional<Errc>() : commit.error().code;
  if (code == Errc::spool_busy || code == Errc::too_large) return commit.error();
  for (const std::size_t i : journaled)
    taken.outcomes[i] = commit ? Taken::Outcome{How::taken, *commit, {}}
                               : Taken::Outcome{How::refused, 0, commit.error().detail};
  for (const std::size_t i : twice)
    taken.outcomes[i] = commit ? Taken::Outcome{How::known, *commit, {}}
                               : Taken::Outcome{How::refused, 0, commit.error().detail};
  if (!commit || journaled.empty()) return taken;
  marks_.apply(std::move(growth), *commit);
  for (std::size_t at = 0; at < journaled.size(); ++at)
    queue.put(group.entries()[at], pushed[journaled[at]].message);
  group.clear();
  group_ = std::move(group);
  return taken;
}

// One after the other: whether there is memory for one depends on those before it. A mark from when
// it was a disk queue still holds.
Result<Taken> Registry::take_unsynced(Queue& queue, const PushSource& source,
                                      std::span<const Pushed> pushed) {
  Taken taken;
  for (const Pushed& each : pushed) {
    if (marks_.holds(source, each.sequence)) {
      taken.outcomes.push_back({How::known, marks_.commit_of(source), {}});
      continue;
    }
    auto done = queue.may_put(each.message->bytes());
    if (done) done = put_unsynced(queue, each);
    const bool is_busy = !done && done.error().code == Errc::spool_busy;
    if (is_busy && taken.outcomes.empty()) return done.error();
    if (is_busy) return taken;
    taken.outcomes.push_back(done ? Taken::Outcome{}
                                  : Taken::Outcome{How::refused, 0, done.error().detail});
  }
  return taken;
}

Result<void> Registry::put_unsynced(Queue& queue, const Pushed& pushed) {
  if (!queue.keeps_in_memory(*pushed.message)) {
    spool::Group group;
    const spool::Target target = target_of(queue, pushed);
    group.publish(content_of(*pushed.message, codec_of(queue)), {&target, 1});
    if (auto commit = context_.spool.append(group); !commit) return commit.error();
    queue.put(group.entries().front(), pushed.message);
    return {};
  }
  put_in_memory(queue, pushed.message, pushed.delivery_count, pushed.redelivered);
  return {};
}

}  // namespace pannier::queue
