#include "sidecar/forward/push_link_queue.h"

namespace pannier::forward {

queue::Delivery PushQueue::remove(queue::Sequence sequence) {
  const auto found = puts_.find(sequence);
  Put put = std::move(found->second);
  puts_.erase(found);
  waiting_.erase(sequence);
  if (put.is == Is::sent || put.is == Is::refused) {
    --in_flight_;
    bytes_in_flight_ -= put.delivery.message->bytes();
  }
  return std::move(put.delivery);
}

// What is not this link's delivery any more has gone back to its queue meanwhile.
void PushQueue::start_anew() {
  in_flight_ = bytes_in_flight_ = messages_max_ = bytes_max_ = 0;
  waiting_.clear();
  std::erase_if(
      puts_, [this](const auto& each) { return !queue->is_unacked(each.second.delivery.receipt); });
  for (auto& [sequence, put] : puts_) {
    if (put.is == Is::unfit) continue;
    put.is = Is::waiting;
    waiting_.insert(sequence);
  }
}

std::vector<queue::Delivery> PushQueue::take_all() {
  std::vector<queue::Delivery> all;
  for (auto& [sequence, put] : puts_) all.push_back(std::move(put.delivery));
  puts_.clear();
  start_anew();
  return all;
}

}  // namespace pannier::forward
