#include <algorithm>

#include "sidecar/forward/puller.h"

namespace pannier::forward {

// What consumers could take, what is kept already, and what there is memory for.
std::uint64_t Puller::budget(const Pulled& pulled) const {
  const std::uint64_t demand = pulled.queue->demand();
  const std::uint64_t wanted = demand - std::min<std::uint64_t>(demand, pulled.kept.size());
  if (pulled.kept_bytes >= kKeptBytesMax) return 0;
  const std::uint64_t left = kKeptBytesMax - pulled.kept_bytes;
  const std::uint64_t average = std::max<std::uint64_t>(pulled.average, 1);
  return std::min(wanted, std::max<std::uint64_t>(left / average, 1));
}

bool Puller::may_have_credit(const Origin& origin) const {
  return origin.queue && origin.queue->state == OriginQueue::State::active &&
         origin.no_room_until == Clock::time_point{};
}

// Grants in chunks, when half of what an origin may have is used; takes back what is above the
// demand, and what others need more.
void Puller::grant(Pulled& pulled) {
  std::vector<Origin*> origins;
  std::vector<OriginCredit> credits;
  std::uint64_t total = 0;
  for (Origin& origin : pulled.origins) {
    if (!origin.queue) continue;
    total += origin.queue->outstanding();
    if (!may_have_credit(origin)) continue;
    const OriginQueue& queue = *origin.queue;
    origins.push_back(&origin);
    credits.push_back({queue.ready(), queue.outstanding(), queue.room(), queue.is_suspect()});
  }
  const std::uint64_t most = budget(pulled);
  const auto targets = spread_credit(most, credits, pulled.turn);
  std::uint64_t free = most - std::min(most, total);
  std::uint64_t missing = total - std::min(total, most);
  for (std::size_t i = 0; i < origins.size(); ++i) {
    OriginQueue& queue = *origins[i]->queue;
    const bool asks = pulled.is_asking && !origins[i]->is_asked && !queue.is_asked();
    std::uint64_t more = 0;
    if (!queue.is_asked() && credits[i].outstanding * 2 <= targets[i] && targets[i] > 0) {
      const std::uint64_t wants = targets[i] - credits[i].outstanding;
      more = std::min(wants, free);
      free -= more;
      missing += wants - more;
    }
    if (more == 0 && !asks) continue;
    if (more > 0) {
      if (credits[i].outstanding == 0) queue.note_progress(clock_.now());
      queue.grant(more);
      ++pulled.turn;
    }
    if (asks) {
      queue.ask();
      origins[i]->is_asked = true;
    }
    links_.at(origins[i]->pod_uid)->send_credit(queue, asks);
  }
  for (std::size_t i = 0; i < origins.size() && missing > 0; ++i) {
    OriginQueue& queue = *origins[i]->queue;
    const std::uint64_t has = queue.outstanding();
    if (queue.is_asked() || has <= targets[i]) continue;
    const std::uint64_t back = std::min(has - targets[i], missing);
    missing -= back;
    queue.take_back(back);
    links_.at(origins[i]->pod_uid)->send_credit(queue, true);
  }
}

// All that can answer have done so, and none has anything.
void Puller::answer_gets(Pulled& pulled) {
  if (!pulled.is_asking) return;
  if (pulled.queue->waiting_gets() == 0) {
    pulled.is_asking = false;
    return;
  }
  for (const Origin& origin : pulled.origins) {
    const auto link = links_.find(origin.pod_uid);
    if (link == links_.end() || link->second->is_failing()) continue;
    if (!origin.queue || origin.queue->state == OriginQueue::State::ended) continue;
    if (origin.no_room_until != Clock::time_point{}) continue;
    const bool has_answered = origin.queue->state == OriginQueue::State::active &&
                              origin.is_asked && !origin.queue->is_asked();
    if (!has_answered || origin.queue->ready() > 0) return;
  }
  pulled.is_asking = false;
  pulled.queue->no_remote_answer();
}

}  // namespace pannier::forward
