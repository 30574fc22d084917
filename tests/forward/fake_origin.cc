#include "tests/forward/fake_origin.h"

#include <algorithm>

namespace pannier::forward {
namespace {

using Settle = queue::RemoteOrigin::Settle;

std::vector<queue::Receipt> receipts_of(std::string_view text) {
  std::vector<queue::Receipt> receipts(text.size() / 16);
  ByteReader in(as_bytes(text));
  for (auto& receipt : receipts) {
    receipt.sequence = in.be<std::uint64_t>();
    receipt.delivery = in.be<std::uint64_t>();
  }
  return receipts;
}

Bytes taken(net::Output& output) {
  std::vector<ByteView> views;
  output.gather(views);
  Bytes bytes;
  for (const ByteView view : views) bytes.insert(bytes.end(), view.begin(), view.end());
  output.clear();
  return bytes;
}

}  // namespace

std::uint64_t FakeOrigin::put(const std::string& body) {
  messages[++last_sequence_].body = body;
  return last_sequence_;
}

std::uint64_t FakeOrigin::put_some(int count) {
  for (int i = 0; i < count; ++i) put(name + "/" + std::to_string(last_sequence_ + 1));
  return last_sequence_;
}

void FakeOrigin::expire(std::uint64_t sequence) {
  Message& message = messages.at(sequence);
  ASSERT_EQ(message.is, Is::leased);
  expired.emplace(sequence, message.delivery);
  message.is = Is::ready;
}

std::size_t FakeOrigin::count(Is is) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(messages, [is](const auto& each) { return each.second.is == is; }));
}

void FakeOrigin::start() {
  ++dials;
  end();
}

void FakeOrigin::end() {
  in_.clear();
  out.clear();
  has_header_ = is_pulled = false;
  limit = delivered = settles_ = durable_ = said_ready_ = 0;
}

void FakeOrigin::on_bytes(ByteView bytes) {
  in_.insert(in_.end(), bytes.begin(), bytes.end());
  std::size_t at = 0;
  if (!has_header_ && in_.size() >= 8) {
    has_header_ = true;
    at = 8;
    amqp::ConnectionStart start;
    start.version_minor = 9;
    if (knows_links) start.server_properties.set("pannier-links", version);
    start.mechanisms.text = "EXTERNAL";
    start.locales.text = "en_US";
    amqp::put_method(out, 0, start);
  }
  while (has_header_) {
    const auto parsed = amqp::parse_frame(ByteView(in_).subspan(at), 0);
    ASSERT_TRUE(parsed);
    if (parsed->size == 0) break;
    on_frame(parsed->frame);
    at += parsed->size;
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
}

void FakeOrigin::on_frame(const amqp::Frame& frame) {
  if (frame.type == amqp::FrameType::heartbeat) return;
  const auto id = amqp::method_id(frame.payload);
  ASSERT_TRUE(id);
  switch (id->key()) {
    case amqp::ConnectionStartOk::kId.key():
      amqp::put_method(out, 0, amqp::ConnectionTune{16, 131'072, 0});
      break;
    case amqp::ConnectionTuneOk::kId.key(): break;
    case amqp::ConnectionOpen::kId.key(): amqp::put_method(out, 0, amqp::ConnectionOpenOk{}); break;
    case amqp::ChannelOpen::kId.key():
      amqp::put_method(out, frame.channel, amqp::ChannelOpenOk{});
      break;
    case amqp::ConnectionClose::kId.key():
      ++closes;
      amqp::put_method(out, 0, amqp::ConnectionCloseOk{});
      break;
    case LinkPull::kId.key(): on_pull(*amqp::decode<LinkPull>(frame.payload)); break;
    case LinkCredit::kId.key(): on_credit(*amqp::decode<LinkCredit>(frame.payload)); break;
    case LinkSettle::kId.key(): on_settle(*amqp::decode<LinkSettle>(frame.payload)); break;
    case LinkFail::kId.key(): {
      const auto fail = *amqp::decode<LinkFail>(frame.payload);
      fails.push_back(fail);
      on_settle({fail.queue, static_cast<std::uint8_t>(Settle::failed), fail.receipts});
      break;
    }
    case LinkStop::kId.key():
      ++stops;
      is_pulled = false;
      break;
    default: ADD_FAILURE() << "method " << id->class_id << "." << id->method_id << " came";
  }
}

void FakeOrigin::on_pull(const LinkPull& pull) {
  pulls.push_back(pull);
  EXPECT_EQ(pull.queue, queue);
  std::set<std::pair<std::uint64_t, std::uint64_t>> named;
  LinkPullOk ok{queue, {}, 0};
  Bytes kept;
  ByteWriter writer(kept);
  for (const auto& receipt : receipts_of(pull.held.text)) {
    const auto at = messages.find(receipt.sequence);
    const bool stands = at != messages.end() && at->second.is == Is::leased &&
                        at->second.delivery == receipt.delivery;
    if (!stands) continue;
    named.emplace(receipt.sequence, receipt.delivery);
    writer.be(receipt.sequence);
    writer.be(receipt.delivery);
  }
  for (auto& [sequence, message] : messages)
    if (message.is == Is::leased && !named.contains({sequence, message.delivery})) {
      expired.emplace(sequence, message.delivery);
      message.is = Is::ready;
    }
  ok.kept.text = as_text(kept);
  ok.ready = said_ready_ = count(Is::ready);
  limit = delivered = 0;
  is_pulled = true;
  says(ok);
}

void FakeOrigin::on_credit(const LinkCredit& credit) {
  credits.push_back(credit);
  if (!is_pulled) return;
  limit = credit.limit;
  work();
  if (credit.asks && answers) say_ready();
}

void FakeOrigin::say_ready() {
  said_ready_ = count(Is::ready);
  says(LinkReady{queue, said_ready_, 5, limit});
}

void FakeOrigin::work() {
  if (!is_pulled) return;
  for (auto& [sequence, message] : messages) {
    if (!delivers || delivered >= limit) break;
    if (message.is != Is::ready) continue;
    message.is = Is::leased;
    message.delivery = ++last_delivery_;
    ++delivered;
    said_ready_ -= std::min<std::uint64_t>(said_ready_, 1);
    says_deliver(sequence, message.delivery, message.body, queue);
  }
  if (said_ready_ != count(Is::ready)) say_ready();
}

void FakeOrigin::says_deliver(std::uint64_t sequence, std::uint64_t delivery, std::string_view body,
                              std::string_view to) {
  LinkDeliver method;
  method.queue = to;
  method.sequence = sequence;
  method.delivery = delivery;
  if (messages.contains(sequence)) method.delivery_count = messages.at(sequence).count;
  method.redelivered = method.delivery_count > 0;
  method.routing_key = to;
  says(method);
  Bytes properties;
  ByteWriter writer(properties);
  queue::Properties{}.encode(writer);
  amqp::put_content_header(out, kPullChannel, body.size(), properties);
  amqp::put_body(out, kPullChannel, Slice::copy_of(body), 131'072);
}

void FakeOrigin::on_settle(const LinkSettle& settle) {
  settles.push_back(settle);
  ++settles_;
  for (const auto& receipt : receipts_of(settle.receipts.text)) {
    const auto at = messages.find(receipt.sequence);
    const bool stands = at != messages.end() && at->second.is == Is::leased &&
                        at->second.delivery == receipt.delivery;
    if (!stands) {
      EXPECT_TRUE(expired.contains({receipt.sequence, receipt.delivery}))
          << name << " is told twice what became of " << receipt.sequence;
      continue;
    }
    Message& message = at->second;
    const auto how = static_cast<Settle>(settle.how);
    message.is = how == Settle::ack || how == Settle::discard ? Is::done : Is::ready;
    message.acked += how == Settle::ack ? 1 : 0;
    message.discarded += how == Settle::discard ? 1 : 0;
    if (how == Settle::failed) ++message.count;
    expired.erase({receipt.sequence, receipt.delivery});
  }
  if (confirms) confirm_settles();
}

void FakeOrigin::confirm_settles() {
  if (durable_ == settles_) return;
  durable_ = settles_;
  says(LinkSettled{durable_});
}

// One dialled connection: a session on one end, an origin on the other.
class FakeDialer::Connection final : public net::Dialled {
 public:
  Connection(FakeDialer& dialer, FakeOrigin* origin, MakeSession make, OnClosed on_closed)
      : dialer_(dialer), origin_(origin), make_(std::move(make)), on_closed_(std::move(on_closed)) {
    dialer_.connections_.push_back(this);
    ++dialer_.alive_;
  }
  ~Connection() override {
    close();
    std::erase(dialer_.connections_, this);
    --dialer_.alive_;
  }
  void close() override {
    on_closed_ = {};
    drop();
  }
  FakeOrigin* origin() const { return origin_; }

  void fail(const char* why) {
    const auto told = std::exchange(on_closed_, {});
    drop();
    if (told) told(Error{Errc::closed, why});
  }

  bool run_once() {
    if (is_over_) return false;
    if (!session_) {
      if (origin_ == nullptr || !origin_->is_up) return fail("nobody is there"), true;
      session_ = make_();
      if (!session_) return fail("not wanted"), true;
      origin_->start();
      return true;
    }
    if (const auto when = session_->deadline()) static_cast<void>(when);
    const Bytes from_client = taken(session_->output());
    session_->on_sent(0);
    origin_->on_bytes(from_client);
    origin_->work();
    const Bytes fresh = taken(origin_->out);
    held_.insert(held_.end(), fresh.begin(), fresh.end());
    std::size_t at = 0;
    while (at < held_.size() && session_ && session_->wants_bytes()) {
      const std::size_t most = dialer_.random_.below(8) == 0 ? 3 : 65'536;
      const std::size_t size =
          std::min<std::size_t>(1 + dialer_.random_.below(most), held_.size() - at);
      static_cast<void>(session_->on_bytes(ByteView(held_).subspan(at, size)));
      at += size;
    }
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at));
    if (session_->wants_close()) {
      origin_->on_bytes(taken(session_->output()));
      fail("the session has ended");
      return true;
    }
    return !from_client.empty() || at > 0;
  }

 private:
  void drop() {
    if (std::exchange(is_over_, true) || !session_) return;
    origin_->on_bytes(taken(session_->output()));
    session_->set_bell({});
    session_->on_closed();
    session_.reset();
    origin_->end();
  }

  FakeDialer& dialer_;
  FakeOrigin* origin_;
  MakeSession make_;
  OnClosed on_closed_;
  std::unique_ptr<net::Session> session_;
  Bytes held_;
  bool is_over_ = false;
};

std::unique_ptr<net::Dialled> FakeDialer::dial(const LinkTarget& target, MakeSession make_session,
                                               OnClosed on_closed) {
  targets.push_back(target);
  const auto found = origins_.find(target.pod_uid);
  return std::make_unique<Connection>(*this, found == origins_.end() ? nullptr : found->second,
                                      std::move(make_session), std::move(on_closed));
}

bool FakeDialer::run_once() {
  bool moved = false;
  for (Connection* connection : std::vector(connections_))
    if (std::ranges::find(connections_, connection) != connections_.end())
      moved = connection->run_once() || moved;
  return moved;
}

void FakeDialer::cut(const FakeOrigin& origin) {
  for (Connection* connection : std::vector(connections_))
    if (connection->origin() == &origin) connection->fail("it was cut");
}

}  // namespace pannier::forward
