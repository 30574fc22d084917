#include <array>

#include "sidecar/amqp/client_channel.h"

namespace pannier::amqp {
namespace {

constexpr std::size_t kContentHeaderSize = 12;       // without the properties
constexpr std::array<std::byte, 2> kNoProperties{};  // flags that name none

// BasicPublish without strings of its own.
struct PublishFrame {
  static constexpr MethodId kId = BasicPublish::kId;
  const PublishTo& to;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(std::uint16_t{0});
    visit(self.to.exchange);
    visit(self.to.routing_key);
    visit(self.to.mandatory);
    visit(false);  // immediate
  }
};

}  // namespace

Result<void> ClientChannel::may_begin(ByteView properties) const {
  if (properties.size() > link_.frame_max - kFrameOverhead - kContentHeaderSize)
    return Error{Errc::too_large, "the properties do not fit into a frame"};
  return may_send();
}

void ClientChannel::begin_body(ByteView properties, std::uint64_t size, Fold fold) {
  put_content_header(link_.output, id_, size,
                     properties.empty() ? ByteView(kNoProperties) : properties,
                     fold ? kFoldedWeight : 0);
  fold_ = std::move(fold);
  left_ = size;
  is_publish_ = false;
}

Result<DeliveryTag> ClientChannel::begin_publish(const PublishTo& to, ByteView properties,
                                                 std::uint64_t size) {
  if (auto may = may_send(); !may) return may.error();
  if (unconfirmed() >= link_.limits.unconfirmed)
    return Error{Errc::limit_reached, "too many publishes wait for their confirm"};
  if (auto begun = begin_send(PublishFrame{to}, properties, size); !begun) return begun.error();
  has_mandatory_ = has_mandatory_ || to.mandatory;
  is_publish_ = true;
  return confirms_.next();
}

Result<void> ClientChannel::publish_part(const Slice& part) {
  if (!is_live()) return Error{Errc::closed, "channel " + std::to_string(id_) + " is closed"};
  if (part.size() > left_)
    return Error{Errc::too_large, "a part of " + std::to_string(part.size()) + " bytes where " +
                                      std::to_string(left_) + " are left of the body"};
  put_body(link_.output, id_, part, link_.frame_max, fold_);
  left_ -= part.size();
  if (left_ == 0 && !behind_.empty()) {
    link_.output.put(ByteView(behind_));
    behind_.clear();
  }
  return {};
}

}  // namespace pannier::amqp
