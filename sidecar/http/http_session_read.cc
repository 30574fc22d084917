// How requests are read: heads, logins and bodies.
#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/secret.h"
#include "sidecar/http/http_session.h"
#include "sidecar/http/incoming.h"
#include "sidecar/http/login.h"
#include "sidecar/http/response_head.h"
#include "sidecar/http/target.h"

namespace pannier::http {

void HttpSession::process() {
  if (std::exchange(is_processing_, true)) return;  // a login or an answer that came at once
  bool goes_on = true;
  while (goes_on && !is_closed_) {
    switch (reading_) {
      case Reading::head: goes_on = read_head(); break;
      case Reading::body: goes_on = read_body(); break;
      case Reading::login:
      case Reading::room:
      case Reading::stream:
      case Reading::stopped: goes_on = false; break;
    }
  }
  is_processing_ = false;
  Bytes of_stream;
  if (reading_ == Reading::stream && at_ < input_.size())
    of_stream.assign(input_.begin() + static_cast<std::ptrdiff_t>(at_), input_.end());
  if (reading_ == Reading::stream) at_ = input_.size();
  if (is_closed_ || reading_ == Reading::stopped) at_ = input_.size();
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  if (input_.empty() && input_.capacity() > context_.limits.header_bytes) Bytes().swap(input_);
  write_answers();
  follow_limit();
  if (of_stream.empty() || reading_ != Reading::stream || hear_stream(of_stream)) return;
  stop();
  wants_close_ = true;
}

// Too much is waiting already: to be answered, or to be written.
bool HttpSession::is_held_up() const {
  return exchanges_.size() >= context_.limits.pipelined || is_clogged();
}

// Line by line, so that what is no head is known before it ends.
bool HttpSession::read_head() {
  if (is_held_up()) return false;
  std::string_view rest = as_text(ByteView(input_).subspan(at_));
  if (scanned_ == 0) {  // empty lines before a request are ignored (RFC 9112, 2.2)
    while (rest.starts_with("\r\n")) rest.remove_prefix(2), at_ += 2;
    if (rest == "\r") return false;
  }
  for (;;) {
    const std::size_t end = rest.find('\n', scanned_);
    if (end == std::string_view::npos) break;
    if (end == 0 || rest[end - 1] != '\r') {
      refuse({400, "bad_syntax", "a line does not end with CRLF"});
      return false;
    }
    scanned_ = end + 1;
    if (scanned_ > context_.limits.header_bytes) break;
    if (end - line_begin_ == 1) {
      const std::string_view head = rest.substr(0, scanned_);
      at_ += scanned_;
      scanned_ = line_begin_ = 0;
      take_head(head);
      return true;
    }
    line_begin_ = scanned_;
  }
  const bool is_first_line = line_begin_ == 0;
  scanned_ = rest.size();
  if (rest.size() > context_.limits.header_bytes)
    refuse(is_first_line ? Refusal{414, "too_large", "the request line is too long"}
                         : Refusal{431, "too_large",
                                   "the head is longer than " +
                                       std::to_string(context_.limits.header_bytes) + " bytes"});
  return false;
}

// The exchange takes its place in the order of answers before anything is known of it.
void HttpSession::take_head(std::string_view text) {
  ++requests_;
  incoming_ = std::make_unique<Incoming>(context_.limits.header_bytes);
  if (auto refused = incoming_->parser.put_head(text, context_.limits.head)) {
    incoming_.reset();
    return refuse(*refused);
  }
  RequestHead& head = incoming_->parser.head();
  Request request;
  request.method = std::move(head.method);
  request.target = std::move(head.target);
  request.fields = std::move(head.fields);
  auto target = decode_target(request.method, request.target);
  incoming_->exchange = std::make_shared<HttpExchange>(*this, peer_, Request());
  HttpExchange& exchange = *incoming_->exchange;
  exchange.is_http10_ = head.is_http10;
  exchange.keeps_alive_ = head.keeps_alive;
  exchanges_.push_back(incoming_->exchange);
  reading_ = Reading::body;
  if (!target) {
    exchange.request_ = std::move(request);
    return refuse({400, "bad_syntax", target.error().detail});
  }
  request.segments = std::move(target->segments);
  request.query = std::move(target->query);
  exchange.request_ = std::move(request);
  if (const auto denied = check_place(exchange.request_, target->authority)) return reject(*denied);
  if (const auto expected = exchange.request_.field("Expect"); expected && !head.is_http10) {
    if (!same_name(*expected, "100-continue"))
      return refuse({417, "not_supported", "the only expectation here is 100-continue"});
    incoming_->expects_continue = head.is_chunked || head.length > 0;
  }
  auto plan = context_.handler.plan(exchange.request_);
  if (is_closed_ || !incoming_) return;
  if (!plan) return reject(problem(plan.error(), exchange.request_.target));
  incoming_->plan = *plan;
  if (const auto wanted = exchange.request_.field("Upgrade");
      wanted && same_name(*wanted, "websocket") && (!plan->may_upgrade || head.is_http10))
    return refuse({501, "not_supported", "no other protocol is spoken at that path"});
  if (head.length > plan->body_bytes_max)
    return reject(
        problem(Error{Errc::too_large,
                      "the body is longer than " + std::to_string(plan->body_bytes_max) + " bytes"},
                exchange.request_.target));
  start_login();
}

std::optional<Response> HttpSession::check_place(const Request& request,
                                                 std::string_view authority) const {
  if (!context_.local_names_only) return {};
  const auto host = request.field("Host");
  const auto origin = request.field("Origin");
  const bool is_local = host && is_local_name(host_of(*host), *peer_) &&
                        (authority.empty() || is_local_name(host_of(authority), *peer_));
  // An image of any page gets without an Origin, and getting a message takes it.
  const bool is_foreign = request.field("Sec-Fetch-Site") == "cross-site";
  if (is_local && !is_foreign && (!origin || is_same_host(*origin, *host))) return {};
  return problem(Error{Errc::access_denied,
                       is_local ? "pages of other hosts have no access"
                                : "Host must be localhost or the address of this listener"},
                 request.target);
}

void HttpSession::start_login() {
  Request& request = incoming_->exchange->request_;
  const Login wanted = incoming_->plan.login;
  const auto given = std::find_if(request.fields.begin(), request.fields.end(), [](auto& field) {
    return same_name(field.first, "Authorization");
  });
  std::string authorization;
  if (given != request.fields.end()) {
    authorization = std::exchange(given->second, {});
    request.fields.erase(given);  // no handler can show it
  }
  const Secret secret(authorization);
  cleanse(authorization);
  if (wanted == Login::none) return start_body();
  if (peer_->is_control) {  // whoever can open the socket
    incoming_->exchange->principal_ = queue::control_principal();
    return start_body();
  }
  const bool is_guest = secret.text().empty() && context_.dev_guest;
  if (secret.text().empty() && !is_guest) {
    if (wanted == Login::optional) return start_body();
    return reject(
        problem(Error{Errc::not_authenticated, "credentials are needed"}, request.target));
  }
  const auto digest = context_.digest_of(secret.text());
  if (known_login_ && queue::same(*known_login_, digest)) {
    incoming_->exchange->principal_ = known_principal_;
    return start_body();
  }
  auto credentials = is_guest ? Result<queue::Credentials>(queue::Credentials{
                                    queue::Credentials::Kind::password, "guest", "guest", ""})
                              : credentials_of(secret.text());
  if (!credentials) return reject(problem(credentials.error(), request.target));
  reading_ = Reading::login;
  context_.access.authenticate(std::move(*credentials), [alive = alive_, login = ++logins_, digest](
                                                            Result<queue::Principal> principal) {
    if (*alive == nullptr) return;
    HttpSession& session = **alive;
    if (principal && session.logins_ == login) session.known_login_ = digest;
    session.on_login(login, std::move(principal));
  });
}

void HttpSession::on_login(std::uint64_t login, Result<queue::Principal> principal) {
  if (is_closed_ || reading_ != Reading::login || login != logins_) return;
  reading_ = Reading::body;
  if (!principal) {
    static log::RateLimit limit(5);
    log::warn(limit, "a client could not be authenticated",
              {{"peer", peer_->address}, {"error", principal.error().detail}});
    reject(problem(principal.error(), incoming_->exchange->request_.target));
  } else {
    known_principal_ = *principal;
    incoming_->exchange->principal_ = std::move(*principal);
    start_body();
  }
  process();  // what came meanwhile
  ring();
}

void HttpSession::start_body() {
  reading_ = Reading::body;
  const RequestHead& head = incoming_->parser.head();
  incoming_->body.emplace(incoming_->plan,
                          head.is_chunked ? std::nullopt : std::optional(head.length),
                          context_.limits.part_bytes, incomplete_, context_.registry);
  say_continue();
}

bool HttpSession::read_body() {
  Incoming& incoming = *incoming_;
  if (incoming.parser.is_whole()) return finish_body();
  const ByteView rest = ByteView(input_).subspan(at_);
  if (rest.empty()) return false;
  incoming.expects_continue = false;  // it did not wait
  const auto taken = incoming.parser.put_body(rest, *incoming.body);
  at_ += taken.used;
  if (incoming.body->failed()) {
    const Error why = *incoming.body->failed();
    reject(problem(why, incoming.exchange->request_.target));
    return reading_ != Reading::stopped;
  }
  if (taken.refused) {
    refuse(*taken.refused);
    return false;
  }
  if (incoming.body->waits_for_room()) {
    reading_ = Reading::room;
    context_.await_room(*this);
    return false;
  }
  return incoming.parser.is_whole();
}

bool HttpSession::finish_body() {
  Incoming& incoming = *incoming_;
  const ExchangePointer exchange = incoming.exchange;
  if (!incoming.is_rejected && !incoming.body->finish(exchange->request_, exchange->charges_)) {
    if (const auto& failed = incoming.body->failed()) {
      reject(problem(*failed, exchange->request_.target));
      return reading_ != Reading::stopped;
    }
    reading_ = Reading::room;
    context_.await_room(*this);
    return false;
  }
  const bool is_rejected = incoming.is_rejected;
  incoming_.reset();
  reading_ = Reading::head;
  if (!exchange->keeps_alive_) stop();
  if (!is_rejected) context_.handler.handle(exchange);
  return true;
}

// Answers what is being read before its body has come. A small body that is on its way is read and
// dropped, so that the client keeps its connection; it is cut off with a larger one.
void HttpSession::reject(const Response& response) {
  Incoming& incoming = *incoming_;
  const RequestHead& head = incoming.parser.head();
  const ExchangePointer exchange = incoming.exchange;
  const bool is_small = !head.is_chunked && head.length <= context_.limits.pipelined_bytes;
  if (is_small && !incoming.expects_continue) {
    reading_ = Reading::body;
    incoming.is_rejected = true;
    if (!incoming.body)
      incoming.body.emplace(incoming.plan, head.length, context_.limits.part_bytes, incomplete_,
                            context_.registry);
    incoming.body->discard();
  } else {
    stop();
  }
  exchange->answer(response, {});
}

// The protocol is broken: the answer, in its place, and the end.
void HttpSession::refuse(const Refusal& refusal) {
  ExchangePointer exchange;
  if (incoming_ && !incoming_->is_rejected) exchange = incoming_->exchange;
  const bool is_answered = incoming_ && incoming_->is_rejected;
  if (!exchange && !is_answered) {
    exchange = std::make_shared<HttpExchange>(*this, peer_, Request());
    exchanges_.push_back(exchange);
  }
  stop();
  static log::RateLimit limit(5);
  log::info(limit, "a request is refused",
            {{"peer", peer_->address}, {"status", refusal.status}, {"error", refusal.detail}});
  if (!exchange) return on_answer();
  exchange->answer(problem(refusal.status, refusal.code, refusal.detail, exchange->request_.target),
                   {});
}

}  // namespace pannier::http
