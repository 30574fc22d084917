// TlsStream: one side of one TLS connection as a state machine over bytes, without a socket
// (decision 0001). OpenSSL reads straight from the caller's input and writes straight to the
// caller's output.
//
// Owned by its connection, which passes on what it reads and sends what is put out. Loop thread.
// Errors are final, and given again by every later call: not_authenticated for certificates that
// are refused, either way; bad_frame for what is not TLS as we speak it; closed for an end without
// a goodbye. What is in the output after an error is still to be sent: it tells the peer why.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"
#include "sidecar/net/tls_context.h"

struct ssl_st;  // OpenSSL's SSL

namespace pannier::net {

struct TlsExpected;

// Whom a client means to reach: exactly one of the two. Without any, every server is refused.
struct TlsServer {
  std::string host{};        // a DNS name, which is also sent as SNI, or an IP address
  std::string spiffe_uri{};  // of a pod, whatever its address
};

class TlsStream {
 public:
  static constexpr std::size_t kRecordBytes = 16 << 10;

  // Gets decrypted bytes, valid for the call. It may encrypt to this
  // stream and do anything with others, but neither feed this one nor end its life.
  using Sink = std::function<void(ByteView)>;

  explicit TlsStream(std::shared_ptr<const TlsContext> context);              // a server's
  TlsStream(std::shared_ptr<const TlsContext> context, const TlsServer& to);  // a client's
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Clients, once, first. All functions append to `out` what is to be sent.
  Result<void> start(Bytes& out);
  // All of `in` is used up. `plain` also gets what came whole before an error.
  Result<void> on_ciphertext(ByteView in, const Sink& plain, Bytes& out);
  // The socket has nothing more: closed, unless the peer had said goodbye.
  Result<void> on_end() const;

  // Unexpected before the stream is established. Small pieces share records.
  Result<void> encrypt(std::span<const ByteView> plain, Bytes& out);
  // Says goodbye, after which only reading is possible.
  void close_notify(Bytes& out);

  bool is_established() const;
  bool peer_closed() const { return peer_closed_; }

  // Of the peer's certificate, which is verified. Empty: it has shown none, or not yet; the URI
  // also if the certificate is no pod's.
  std::string peer_uri() const;
  std::string peer_certificate_fingerprint() const;

  std::string_view protocol() const;  // "TLSv1.3"
  std::string_view cipher() const;    // "TLS_AES_256_GCM_SHA384"

 private:
  class Call;
  struct FreeSsl {
    void operator()(ssl_st* ssl) const;
  };
  // Where OpenSSL reads and writes, for the length of a call.
  struct Io {
    ByteView in;
    Bytes* out = nullptr;
  };

  Error fail();
  Result<void> write(ByteView plain);

  const std::shared_ptr<const TlsContext> context_;
  Io io_;
  std::unique_ptr<TlsExpected> expected_;  // a client's
  std::unique_ptr<ssl_st, FreeSsl> ssl_;
  std::unique_ptr<const Error> failed_;
  std::uint64_t records_ = 0;    // with the current key
  std::array<char, 4> first_{};  // the first bytes that ever came, to tell what else it may be
  std::uint8_t first_size_ = 0;
  bool peer_closed_ = false;
  bool said_goodbye_ = false;

  friend struct TlsBio;
};

}  // namespace pannier::net
