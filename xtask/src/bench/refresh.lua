-- wrk script: a closed loop of refresh-token rotations. A token is taken from the front of a queue, and the one in the
-- answer goes to its back, so each request presents the newest token of some session. Run with one thread: a thread
-- has a queue of its own.
--   TOKENS_FILE  one refresh token a line       ORIGIN  the page that sends the cookie
--   PAUSE_MS     how long a connection waits before each request, on average; 0: not at all
local queue, head, tail = {}, 1, 0
for line in io.lines(os.getenv("TOKENS_FILE")) do
  tail = tail + 1
  queue[tail] = line
end
local headers = { ["Host"] = "localhost", ["User-Agent"] = "bench", ["Origin"] = os.getenv("ORIGIN") }

local pause = tonumber(os.getenv("PAUSE_MS"))
if pause > 0 then
  function delay() return math.random(0, 2 * pause) end
end

function request()
  local token = queue[head] or "exhausted"
  queue[head] = nil
  head = head + 1
  headers["Cookie"] = "refresh_token=" .. token
  return wrk.format("POST", "/api/auth/refresh", headers)
end

function response(status, answered)
  local cookie = status == 200 and (answered["set-cookie"] or answered["Set-Cookie"])
  local token = cookie and cookie:match("refresh_token=([^;]+)")
  if token then
    tail = tail + 1
    queue[tail] = token
  end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
                         latency:percentile(99), failed))
end
