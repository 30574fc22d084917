#include "tests/forward/fake_receiver.h"

#include <algorithm>

namespace pannier::forward {
namespace {

Bytes taken_from(net::Output& output) {
  std::vector<ByteView> views;
  output.gather(views);
  Bytes bytes;
  for (const ByteView view : views) bytes.insert(bytes.end(), view.begin(), view.end());
  output.clear();
  return bytes;
}

}  // namespace

std::vector<std::uint64_t> sequences_of(std::string_view text) {
  EXPECT_EQ(text.size() % 8, 0u);
  std::vector<std::uint64_t> sequences(text.size() / 8);
  ByteReader in(as_bytes(text));
  for (auto& sequence : sequences) sequence = in.be<std::uint64_t>();
  return sequences;
}

std::string packed_sequences(const std::vector<std::uint64_t>& sequences) {
  Bytes bytes;
  ByteWriter out(bytes);
  for (const auto sequence : sequences) out.be(sequence);
  return std::string(as_text(bytes));
}

void FakeReceiver::start() {
  ++dials;
  end();
}

void FakeReceiver::end() {
  in_.clear();
  out.clear();
  has_header_ = in_content_ = false;
  left_ = 0;
  for (auto& [queue, of] : queues) {
    of.is_pushed = false;
    of.unanswered.clear();
    of.bytes = 0;
  }
}

std::vector<std::string> FakeReceiver::bodies() const {
  std::vector<std::string> all;
  for (const Got& each : got) all.push_back(each.body);
  return all;
}

void FakeReceiver::on_bytes(ByteView bytes) {
  in_.insert(in_.end(), bytes.begin(), bytes.end());
  std::size_t at = 0;
  if (!has_header_ && in_.size() >= 8) {
    has_header_ = true;
    at = 8;
    amqp::ConnectionStart start;
    start.version_minor = 9;
    if (knows_links) start.server_properties.set("pannier-links", kLinkVersion);
    start.mechanisms.text = "EXTERNAL";
    start.locales.text = "en_US";
    says(start, 0);
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

void FakeReceiver::on_frame(const amqp::Frame& frame) {
  if (frame.type == amqp::FrameType::heartbeat) return;
  if (frame.type == amqp::FrameType::header) {
    ASSERT_TRUE(in_content_);
    left_ = amqp::decode_content_header(frame.payload)->body_size;
    if (left_ == 0) on_put();
    return;
  }
  if (frame.type == amqp::FrameType::body) {
    ASSERT_LE(frame.payload.size(), left_);
    got.back().body += as_text(frame.payload);
    left_ -= frame.payload.size();
    if (left_ == 0) on_put();
    return;
  }
  const auto id = amqp::method_id(frame.payload);
  ASSERT_TRUE(id);
  if (frame.channel != 0) {
    EXPECT_EQ(frame.channel, kPushChannel);
    EXPECT_FALSE(in_content_) << "a method within a content";
  }
  switch (id->key()) {
    case amqp::ConnectionStartOk::kId.key(): says(amqp::ConnectionTune{16, frame_max, 0}, 0); break;
    case amqp::ConnectionTuneOk::kId.key(): break;
    case amqp::ConnectionOpen::kId.key(): says(amqp::ConnectionOpenOk{}, 0); break;
    case amqp::ChannelOpen::kId.key(): says(amqp::ChannelOpenOk{}, frame.channel); break;
    case amqp::ConnectionClose::kId.key():
      ++closes;
      says(amqp::ConnectionCloseOk{}, 0);
      break;
    case LinkPush::kId.key(): on_push(*amqp::decode<LinkPush>(frame.payload)); break;
    case LinkPut::kId.key():
      got.push_back({*amqp::decode<LinkPut>(frame.payload), {}});
      in_content_ = true;
      break;
    case LinkForget::kId.key(): on_forget(*amqp::decode<LinkForget>(frame.payload)); break;
    case LinkStop::kId.key(): {
      Of& of = queues[amqp::decode<LinkStop>(frame.payload)->queue];
      EXPECT_TRUE(of.unanswered.empty()) << "stopped with messages on their way";
      of.is_pushed = false;
      ++of.stops;
      break;
    }
    default: ADD_FAILURE() << "method " << id->class_id << "." << id->method_id << " came";
  }
}

void FakeReceiver::on_push(const LinkPush& push) {
  Of& of = queues[push.queue];
  EXPECT_FALSE(of.is_pushed) << "pushed already";
  of.push = push;
  ++of.pushes;
  std::erase_if(of.mark, [&](std::uint64_t sequence) { return sequence < push.floor; });
  if (takes_none) return says(LinkEnd{push.queue, "no room"});
  of.is_pushed = true;
  if (asks_ok) says(LinkPushOk{push.queue, window_messages, window_bytes});
}

void FakeReceiver::on_put() {
  in_content_ = false;
  const Got& last = got.back();
  Of& of = queues[last.put.queue];
  EXPECT_TRUE(of.is_pushed) << "a put of a queue that is not pushed";
  EXPECT_GE(last.put.sequence, of.push.floor);
  of.unanswered.push_back(last.put.sequence);
  of.bytes += last.body.size();
  EXPECT_LE(of.unanswered.size(), std::max<std::uint64_t>(1, window_messages));
  if (of.unanswered.size() > 1) {
    EXPECT_LE(of.bytes, window_bytes);
  }
  if (answers) answer(last.put.queue, how, 1);
}

void FakeReceiver::answer(const std::string& queue, LinkTaken::How how_now, std::size_t most) {
  Of& of = queues[queue];
  std::vector<std::uint64_t> answered;
  while (!of.unanswered.empty() && answered.size() < most) {
    const auto sequence = of.unanswered.front();
    of.unanswered.erase(of.unanswered.begin());
    answered.push_back(sequence);
    if (how_now == LinkTaken::How::taken && of.mark.insert(sequence).second)
      of.taken.push_back(sequence);
  }
  if (of.unanswered.empty()) of.bytes = 0;
  says(LinkTaken{queue, static_cast<std::uint8_t>(how_now), "full", {packed_sequences(answered)}});
}

void FakeReceiver::on_forget(const LinkForget& forget) {
  Of& of = queues[forget.queue];
  EXPECT_TRUE(of.is_pushed);
  for (const auto sequence : sequences_of(forget.sequences.text)) {
    EXPECT_EQ(of.mark.erase(sequence), 1u) << sequence << " is forgotten and was not known";
    of.forgotten.push_back(sequence);
  }
}

// One dialled connection: a session on one end, a receiver on the other.
class ReceiverDialer::Connection final : public net::Dialled {
 public:
  Connection(ReceiverDialer& dialer, FakeReceiver* receiver, MakeSession make, OnClosed on_closed)
      : dialer_(dialer),
        receiver_(receiver),
        make_(std::move(make)),
        on_closed_(std::move(on_closed)) {
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
    drop(true);
  }
  FakeReceiver* receiver() const { return receiver_; }

  void fail(const char* why) {
    const auto told = std::exchange(on_closed_, {});
    drop(false);
    if (told) told(Error{Errc::closed, why});
  }

  bool run_once() {
    if (is_over_) return false;
    if (!session_) {
      if (receiver_ == nullptr || !receiver_->is_up) return fail("nobody is there"), true;
      session_ = make_();
      if (!session_) return fail("not wanted"), true;
      receiver_->start();
      return true;
    }
    dialer_.unsent_max = std::max(dialer_.unsent_max, session_->output().size());
    Bytes sent;
    if (dialer_.writes) {
      sent = taken_from(session_->output());
      receiver_->on_bytes(sent);
      if (!sent.empty()) session_->on_sent(0);
    }
    const Bytes fresh = taken_from(receiver_->out);
    std::size_t at = 0;
    while (at < fresh.size() && session_) {
      const std::size_t most = dialer_.random_.below(8) == 0 ? 3 : 65'536;
      const std::size_t size =
          std::min<std::size_t>(1 + dialer_.random_.below(most), fresh.size() - at);
      static_cast<void>(session_->on_bytes(ByteView(fresh).subspan(at, size)));
      at += size;
    }
    if (session_->wants_close()) {
      receiver_->on_bytes(taken_from(session_->output()));
      fail("the session has ended");
      return true;
    }
    return !sent.empty() || at > 0;
  }

 private:
  void drop(bool sends) {
    if (std::exchange(is_over_, true) || !session_) return;
    if (sends && dialer_.writes) receiver_->on_bytes(taken_from(session_->output()));
    session_->set_bell({});
    session_->on_closed();
    session_.reset();
    receiver_->end();
  }

  ReceiverDialer& dialer_;
  FakeReceiver* receiver_;
  MakeSession make_;
  OnClosed on_closed_;
  std::unique_ptr<net::Session> session_;
  bool is_over_ = false;
};

std::unique_ptr<net::Dialled> ReceiverDialer::dial(const LinkTarget& target,
                                                   MakeSession make_session, OnClosed on_closed) {
  const auto found = receivers_.find(target.pod_uid);
  return std::make_unique<Connection>(*this, found == receivers_.end() ? nullptr : found->second,
                                      std::move(make_session), std::move(on_closed));
}

bool ReceiverDialer::run_once() {
  bool moved = false;
  for (Connection* connection : std::vector(connections_))
    if (std::ranges::find(connections_, connection) != connections_.end())
      moved = connection->run_once() || moved;
  return moved;
}

void ReceiverDialer::cut(const FakeReceiver& receiver) {
  for (Connection* connection : std::vector(connections_))
    if (connection->receiver() == &receiver) connection->fail("it was cut");
}

}  // namespace pannier::forward
