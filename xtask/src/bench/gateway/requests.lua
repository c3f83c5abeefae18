-- wrk script: GET /api/orders, each request with the next of the tokens, if there are any. Run with one thread.
--   TOKENS_FILE  one access token a line, or empty
local requests, at = {}, 0
local file = os.getenv("TOKENS_FILE")

function init()
  if file == "" then
    requests[1] = wrk.format("GET", "/api/orders", { ["Host"] = "localhost" })
    return
  end
  for token in io.lines(file) do
    local headers = { ["Host"] = "localhost", ["Authorization"] = "Bearer " .. token }
    requests[#requests + 1] = wrk.format("GET", "/api/orders", headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
                         latency:percentile(99), failed))
end
