#include <algorithm>
#include <tuple>

#include "sidecar/forward/push_channel.h"

namespace pannier::forward {
namespace {

using queue::Sequence;

constexpr std::size_t kNames = 1'024;  // of a link.taken: two short strings, counts and the frame

amqp::LongString packed(std::span<const Sequence> sequences) {
  Bytes bytes;
  ByteWriter out(bytes);
  for (const Sequence sequence : sequences) out.be(sequence);
  return {std::string(as_text(bytes))};
}

}  // namespace

void PushChannel::add_to_batch(const PushPtr& push, queue::Pushed pushed) {
  ++batch_messages_;
  batch_bytes_ += queue::memory_of(*pushed.message);
  if (push->batch.empty()) batched_.push_back(push);
  push->batch.push_back(std::move(pushed));
  session_.await_sync();
}

void PushChannel::take_off(const queue::Pushed& pushed) {
  --batch_messages_;
  batch_bytes_ -= queue::memory_of(*pushed.message);
}

// False: the spool is busy; goes on when it has room.
bool PushChannel::journal() {
  while (!batched_.empty()) {
    const PushPtr push = batched_.front();
    auto taken = context_.registry.take(push->queue, push->source, push->batch);
    if (!taken) {
      session_.await_room();
      return false;
    }
    const std::size_t count = taken->outcomes.size();
    for (std::size_t i = 0; i < count; ++i) {
      const queue::Pushed& pushed = push->batch[i];
      Outcome& outcome = taken->outcomes[i];
      take_off(pushed);
      if (outcome.how != queue::Taken::How::taken && pushed.message->parts > 0)
        context_.registry.spool().abort_body(pushed.message->body_id);
      answer(push, pushed.sequence, pushed.message->body_size, std::move(outcome));
    }
    push->batch.erase(push->batch.begin(),
                      push->batch.begin() + static_cast<std::ptrdiff_t>(count));
    if (push->batch.empty()) batched_.erase(batched_.begin());
  }
  return true;
}

// Nothing of it is journaled any more.
void PushChannel::drop_batch(Push& push) {
  std::erase_if(batched_, [&push](const PushPtr& each) { return each.get() == &push; });
  for (const queue::Pushed& pushed : std::exchange(push.batch, {})) {
    take_off(pushed);
    if (pushed.message->parts > 0) context_.registry.spool().abort_body(pushed.message->body_id);
    const auto current = pushes_.find(push.name);
    if (push.ended && current != pushes_.end() && current->second.get() == &push)
      answer(current->second, pushed.sequence, pushed.message->body_size,
             {queue::Taken::How::refused, 0, *push.ended});
  }
}

void PushChannel::answer(const PushPtr& push, Sequence sequence, std::uint64_t bytes,
                         Outcome outcome) {
  const queue::Commit commit = outcome.commit;
  answers_[commit].push_back({push, sequence, bytes, std::move(outcome)});
  session_.await_sync();
}

void PushChannel::on_synced(queue::Commit) {
  journal();
  const queue::Commit synced = context_.registry.spool().synced_commit();
  std::vector<Answer> due;
  while (!answers_.empty() && answers_.begin()->first <= synced) {
    std::ranges::move(answers_.begin()->second, std::back_inserter(due));
    answers_.erase(answers_.begin());
  }
  if (due.empty()) return;
  send(due);
  session_.session_rings();
}

// As many in one method as there is room for. Whoever has stopped is not told: should it push that
// queue again, its sequences may be other messages'.
void PushChannel::send(const std::vector<Answer>& answers) {
  using Kind = std::tuple<std::string, LinkTaken::How, std::string>;
  std::map<Kind, std::vector<Sequence>> by_kind;
  for (const Answer& each : answers) {
    each.push->unanswered -= 1;
    each.push->unanswered_bytes -= each.bytes;
    const auto current = pushes_.find(each.push->name);
    if (current == pushes_.end() || current->second != each.push) continue;
    const bool is_refused = each.outcome.how == queue::Taken::How::refused;
    const auto how = is_refused ? LinkTaken::How::refused : LinkTaken::How::taken;
    by_kind[{each.push->name, how, each.outcome.why}].push_back(each.sequence);
  }
  const std::size_t most = (session_.frame_max() - kNames) / sizeof(Sequence);
  for (const auto& [kind, sequences] : by_kind)
    for (std::size_t at = 0; at < sequences.size(); at += most) {
      const auto some = std::span(sequences).subspan(at, std::min(most, sequences.size() - at));
      send(LinkTaken{std::get<0>(kind), static_cast<std::uint8_t>(std::get<1>(kind)),
                     std::get<2>(kind), packed(some)});
    }
}

}  // namespace pannier::forward
