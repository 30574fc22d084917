#include "sidecar/http/body_intake.h"

#include <algorithm>
#include <utility>

#include "sidecar/queue/codec.h"

namespace pannier::http {
namespace {

constexpr std::size_t kFirstBytes = 4u << 10;

Slice slice_of(const std::shared_ptr<Bytes>& bytes) {
  if (!bytes || bytes->empty()) return {};
  return Slice(std::shared_ptr<const std::byte[]>(bytes, bytes->data()), 0, bytes->size());
}

}  // namespace

BodyIntake::BodyIntake(const Plan& plan, std::optional<std::uint64_t> length,
                       std::uint64_t part_bytes, Budget& budget, queue::Registry& registry)
    : plan_(plan),
      length_(length),
      part_bytes_(part_bytes),
      budget_(budget),
      registry_(registry),
      bytes_(std::make_shared<Bytes>()) {}

BodyIntake::~BodyIntake() {
  if (body_id_ != 0) registry_.spool().abort_body(body_id_);
}

std::size_t BodyIntake::capacity_max() const {
  const std::uint64_t most =
      plan_.takes_parts ? std::min(part_bytes_, plan_.body_bytes_max) : plan_.body_bytes_max;
  return static_cast<std::size_t>(length_ ? std::min(most, *length_) : most);
}

std::size_t BodyIntake::take(ByteView bytes) {
  waits_ = false;
  std::size_t taken = 0;
  while (taken < bytes.size() && !failed_) {
    std::size_t size = bytes.size() - taken;
    if (!discards_) {
      if (received_ + size > plan_.body_bytes_max) {
        fail(Error{Errc::too_large,
                   "the body is longer than " + std::to_string(plan_.body_bytes_max) + " bytes"});
        break;
      }
      if (!has_room_for_more()) break;
      size = std::min(size, capacity_ - bytes_->size());
      const ByteView piece = bytes.subspan(taken, size);
      bytes_->insert(bytes_->end(), piece.begin(), piece.end());
    }
    taken += size;
    received_ += size;
  }
  return taken;
}

bool BodyIntake::has_room_for_more() {
  if (bytes_->size() < capacity_) return true;
  if (capacity_ < capacity_max()) return grow();
  return flush();
}

// What a request may need is charged as it is needed: an announced length costs its sender nothing.
bool BodyIntake::grow() {
  const std::size_t wanted = std::min(capacity_max(), std::max(kFirstBytes, 2 * capacity_));
  auto charge = Charge::of(budget_, wanted - capacity_);
  if (!charge) {
    fail(Error{Errc::limit_reached, "too many bytes in requests that are not answered yet"});
    return false;
  }
  charges_.push_back(std::move(*charge));
  capacity_ = wanted;
  bytes_->reserve(capacity_);
  return true;
}

// A full buffer with more to come: it is a part.
bool BodyIntake::flush() {
  if (bytes_->empty()) return true;
  spool::Spool& spool = registry_.spool();
  if (body_id_ == 0) {
    auto body = spool.begin_body(queue::codec_of(plan_.compression));
    if (!body) {
      waits_ = body.error().code == Errc::spool_busy;
      if (!waits_) fail(body.error());
      return false;
    }
    body_id_ = *body;
  }
  if (auto added = spool.append_part(body_id_, slice_of(bytes_)); !added) {
    waits_ = added.error().code == Errc::spool_busy;
    if (!waits_) fail(added.error());
    return false;
  }
  ++parts_;
  bytes_ = std::make_shared<Bytes>();
  bytes_->reserve(capacity_);
  return true;
}

void BodyIntake::fail(const Error& why) {
  discard();
  discards_ = false;
  failed_ = why;
}

void BodyIntake::discard() {
  if (body_id_ != 0) registry_.spool().abort_body(std::exchange(body_id_, 0));
  bytes_ = std::make_shared<Bytes>();
  charges_.clear();
  failed_.reset();
  discards_ = true;
}

bool BodyIntake::finish(Request& request, std::vector<Charge>& charges) {
  waits_ = false;
  if (body_id_ != 0 && !flush()) return false;
  request.body_size = received_;
  request.body_parts = parts_;
  request.body_id = std::exchange(body_id_, 0);
  if (request.body_id == 0) {
    request.body = slice_of(bytes_);
    charges = std::move(charges_);
  }
  return true;
}

}  // namespace pannier::http
