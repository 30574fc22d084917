// HttpSession: the server's side of one HTTP/1.1 connection, as a state machine over bytes and
// time. Requests are read one after the other and handed to the handler as soon as they are whole;
// answers leave in the order of the requests.
//
// Owned by its connection; loop thread. What breaks the protocol is answered as problem+json, and
// the connection ends. While a request waits for its answer, bytes are read ahead up to a limit, so
// that a client that goes is noticed.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "sidecar/http/http_context.h"
#include "sidecar/http/http_exchange.h"
#include "sidecar/net/session.h"

namespace pannier::http {

class HttpSession final : public net::Session {
 public:
  HttpSession(HttpContext& context, net::PeerInfo peer);
  ~HttpSession() override;

  Result<void> on_bytes(ByteView input) override;
  void on_time(Clock::time_point now) override;
  std::optional<Clock::time_point> deadline() const override;
  void on_sent(std::size_t unsent) override;
  void on_closed() override;
  bool wants_bytes() const override;

  // What was read and is not used up: a test's measure of what a connection holds.
  std::size_t read_ahead() const { return input_.size(); }

 private:
  friend class HttpContext;
  friend class HttpExchange;
  using ExchangePointer = std::shared_ptr<HttpExchange>;

  enum class Reading : std::uint8_t {
    head,
    login,  // credentials are being checked
    body,
    room,     // the spool has none for the body's next part
    stream,   // the last request's answer is one: no other request is heard
    stopped,  // nothing more is heard; the connection ends when all is answered
  };
  enum class Limit : std::uint8_t { none, idle, head, body };
  struct Incoming;  // the request whose head is whole and whose body is not
  struct Sending {
    std::uint64_t end = 0;  // of the answer, in all bytes that were put out
    ExchangePointer exchange;
  };

  // Of HttpExchange
  void on_answer();
  void on_stream(HttpExchange& exchange);
  void on_wake_moved();
  // Of HttpContext
  void on_spool_room();
  void wind_down();

  // Reading
  void process();
  bool read_head();
  void take_head(std::string_view head);
  std::optional<Response> check_place(const Request& request, std::string_view authority) const;
  void prepare(Request& request);
  void start_login();
  void on_login(std::uint64_t login, Result<queue::Principal> principal);
  void start_body();
  bool read_body();
  bool finish_body();
  void reject(const Response& response);
  void refuse(const Refusal& refusal);
  void stop();
  bool is_held_up() const;

  // Streams
  Result<void> hear_stream(ByteView bytes);
  void put_stream_piece(HttpExchange& exchange, const Slice& piece);
  void tell_stream_written(std::uint64_t written);

  // Answers
  void write_answers();
  bool write_first(HttpExchange& exchange);
  void write_head(HttpExchange& exchange);
  void put(ByteView bytes);
  void put(const Slice& slice);
  std::size_t unsent() const { return output().size() + unsent_; }
  bool is_clogged() const;
  void ask_for_piece();
  void say_continue();

  // Time
  void follow_limit();
  void wake_exchanges(Clock::time_point now);

  HttpContext& context_;
  std::shared_ptr<const net::PeerInfo> peer_;
  Reading reading_ = Reading::head;
  Bytes input_;                    // what is not used up
  std::size_t at_ = 0;             // used up while it is processed
  std::size_t scanned_ = 0;        // of the head that is not whole
  std::size_t line_begin_ = 0;     // of its last line
  std::size_t dropped_bytes_ = 0;  // heard after the end
  std::unique_ptr<Incoming> incoming_;
  std::deque<ExchangePointer> exchanges_;  // whose answers are not all put out
  std::deque<Sending> sending_;            // put out, and not all written
  std::uint64_t put_bytes_ = 0;
  std::size_t unsent_ = 0;
  std::shared_ptr<HttpExchange> stream_;  // the exchange that reading_ is about
  bool is_processing_ = false;
  bool is_writing_ = false;
  bool is_closed_ = false;
  bool asks_later_ = false;  // for a piece, where nothing was sent that would lead to it
  std::optional<queue::CredentialDigest> known_login_;
  queue::Principal known_principal_;
  std::uint64_t logins_ = 0;
  std::uint64_t requests_ = 0;
  Limit limit_ = Limit::none;
  std::uint64_t limit_request_ = 0;  // which it was set for
  Clock::time_point limit_since_{};
  std::uint64_t progress_ = 0;  // of the body, when limit_since_ was set
  Budget incomplete_;
  std::shared_ptr<HttpSession*> alive_;
};

}  // namespace pannier::http
