// HttpServer: requests and answers over HTTP, within limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dlock::cli {

struct HttpRequest {
  std::string method;
  std::string path;  ///< decoded: any bytes
  std::function<std::optional<std::string>(const std::string& name)> parameter;
  std::function<std::string(const std::string& name)> header;  ///< empty if there is none
};

/// The next part of an answer without an end: a text, empty to try again. None: it is over.
using NextPart = std::function<std::optional<std::string>()>;

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json";
  std::string body{};
  NextPart stream{};  ///< in the place of `body`
};

/// One request for each connection, at most `max_requests` at a time, further ones wait in the
/// kernel's queue; and at most `max_streams` answers without an end, beside them. A client has two
/// seconds for each part of a request.
class HttpServer {
 public:
  static constexpr std::size_t max_requests = 16;
  static constexpr std::size_t max_streams = 24;

  using Handler = std::function<HttpAnswer(const HttpRequest&)>;

  /// `handler` is called by several threads at a time.
  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Binds to the address. Returns the port, which is a free one if `port` is 0; none: it is in
  /// use, or not of this machine.
  [[nodiscard]] std::optional<std::uint16_t> bind(const std::string& host, std::uint16_t port);
  /// Serves on threads of its own.
  void start();
  /// Ends all streams, and waits for the requests that are under way.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dlock::cli
