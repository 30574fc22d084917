#include "sidecar/forward/reply_names.h"

#include <algorithm>

namespace pannier::forward {

void ReplyNames::note(const std::string& pod, std::string_view name) {
  OfPod& of_pod = pods_[pod];
  if (of_pod.order.empty() || of_pod.order.back() != name) {
    if (const auto had = of_pod.at.find(name); had != of_pod.at.end()) {
      of_pod.order.splice(of_pod.order.end(), of_pod.order, had->second);
    } else {
      if (of_pod.order.size() >= kReplyNamesPerLink) forget_first(pod, of_pod);
      if (size_ >= kReplyNamesMax) {
        const auto most = std::ranges::max_element(
            pods_, {}, [](const auto& each) { return each.second.order.size(); });
        forget_first(most->first, most->second);
      }
      of_pod.order.emplace_back(name);
      of_pod.at.emplace(of_pod.order.back(), std::prev(of_pod.order.end()));
      ++size_;
    }
  }
  const auto last = last_.find(name);
  if (last == last_.end())
    last_.emplace(std::string(name), pod);
  else if (last->second != pod)
    last->second = pod;
}

void ReplyNames::forget_first(const std::string& pod, OfPod& of_pod) {
  const std::string& name = of_pod.order.front();
  if (const auto last = last_.find(name); last != last_.end() && last->second == pod)
    last_.erase(last);
  of_pod.at.erase(of_pod.at.find(name));
  of_pod.order.pop_front();
  --size_;
}

bool ReplyNames::knows(const std::string& pod, std::string_view name) const {
  const auto found = pods_.find(pod);
  return found != pods_.end() && found->second.at.find(name) != found->second.at.end();
}

const std::string* ReplyNames::find(std::string_view name) const {
  const auto found = last_.find(name);
  return found == last_.end() ? nullptr : &found->second;
}

// Flag 15 is the first property on the wire, and reply-to is the seventh (queue/properties.cc).
std::string_view reply_to_in(ByteView properties) {
  ByteReader in(properties);
  const auto flags = in.be<std::uint16_t>();
  const auto has = [flags](int flag) { return (flags >> flag & 1) != 0; };
  if (!has(9)) return {};
  for (const int text : {15, 14})
    if (has(text)) in.bytes(in.u8());
  if (has(13)) in.bytes(in.be<std::uint32_t>());
  for (const int octet : {12, 11})
    if (has(octet)) in.u8();
  if (has(10)) in.bytes(in.u8());
  return as_text(in.bytes(in.u8()));
}

}  // namespace pannier::forward
