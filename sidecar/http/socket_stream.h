// SocketStream: messages over a WebSocket, and its client's commands (docs/http_api.md).
//
// Owned as ApiStream is; loop thread. Answers that are not read, and settles that wait for the
// disk, are limited: then nothing more is read.
#pragma once

#include <deque>
#include <functional>

#include "sidecar/http/api_stream.h"
#include "sidecar/http/web_socket.h"

namespace pannier::http {

// "code":"...","detail":"..."
std::string reason_text(const Error& why);

class SocketStream final : public ApiStream {
 public:
  // A text of the client's: ApiHandler's to carry out.
  using OnCommand = std::function<void(SocketStream&, std::string_view text)>;
  SocketStream(std::shared_ptr<StreamContext> context, ExchangePtr exchange, queue::QueuePtr queue,
               const StreamOptions& options, OnCommand on_command);

  void on_bytes(ByteView bytes) override;
  bool wants_bytes() const override;
  void on_written(std::uint64_t bytes) override;
  void on_end() override;

  // One message to the client: the members of an object.
  void say(std::string_view members);
  void set_credit(std::size_t credit) { ApiStream::set_credit(credit); }
  // An answer that comes later, by answer(); `late` is said when it does not come in time.
  std::uint64_t await(Clock::time_point until, std::string late);
  void answer(std::uint64_t waiting, std::string_view members);
  std::size_t waiting() const { return waiting_.size(); }

 protected:
  std::string framed(std::string_view receipt, std::string json) override;
  std::string beat() override;
  void say_goodbye(const Error& why) override;
  std::optional<Clock::time_point> next_time() const override;
  void on_time(Clock::time_point now) override;

 private:
  struct Waiting {
    Clock::time_point until;
    std::string late;
  };

  void on_event(WebSocketReader::Event event);
  void put_answer(std::string frame);
  void close_with(std::string frame);
  void close_when_answered();
  void finish();

  const OnCommand on_command_;
  WebSocketReader reader_;
  std::map<std::uint64_t, Waiting> waiting_;  // in the order of their times
  std::uint64_t next_waiting_ = 0;
  std::deque<std::pair<std::uint64_t, std::size_t>> answers_;  // end in put_bytes(), size
  std::size_t answer_bytes_ = 0;
  std::string last_frame_;  // the close, once answers that wait have come
  bool is_closed_ = false;  // the close is out
  bool has_heard_close_ = false;
  std::optional<Clock::time_point> close_until_;  // the client's answer to ours is awaited
  bool is_finished_ = false;
};

}  // namespace pannier::http
