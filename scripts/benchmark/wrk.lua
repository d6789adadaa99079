-- What wrk sends: one tool call after the other, over the given sessions in turn, each with an id and arguments of its own, or the same
-- arguments where SAME_ARGUMENTS is 1, as whom TOKEN says; and what it makes of
-- the answers.
-- Arguments after "--": the tool's name, the text that a right answer holds, and one or more session ids ("-" is none).

local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(args)
  expected = args[2]
  is_same = os.getenv("SAME_ARGUMENTS") == "1"
  seen, wrong, example = 0, 0, ""
  requests = {}
  turn = 0
  -- always ten digits, so that Content-Length is always the same, and others in each second, so that no call is like an earlier one
  id = number * 1000000000 + (os.time() % 900) * 1000000
  for position = 3, #args do
    local headers = {["Content-Type"] = "application/json", ["Accept"] = "application/json, text/event-stream"}
    headers["Host"] = wrk.headers["Host"]
    headers["Mcp-Protocol-Version"] = "2025-06-18"
    if os.getenv("TOKEN") then headers["Authorization"] = "Bearer " .. os.getenv("TOKEN") end
    if args[position] ~= "-" then headers["Mcp-Session-Id"] = args[position] end
    local body = '{"jsonrpc":"2.0","id":0000000000,"method":"tools/call","params":{"name":"' .. args[1]
      .. '","arguments":{"message":"what a client says to a tool","number":0000000000}}}'
    local whole = wrk.format("POST", nil, headers, body)
    local at = whole:find("0000000000", 1, true)
    local again = whole:find("0000000000", at + 10, true)
    table.insert(requests, {whole:sub(1, at - 1), whole:sub(at + 10, again - 1), whole:sub(again + 10)})
  end
end

function request()
  id = id + 1
  turn = turn % #requests + 1
  local parts = requests[turn]
  local written = string.format("%d", id)
  return parts[1] .. written .. parts[2] .. (is_same and "1000000000" or written) .. parts[3]
end

function response(status, headers, body)
  seen = seen + 1
  if status ~= 200 or not body:find(expected, 1, true) then
    wrong = wrong + 1
    if example == "" then example = status .. " " .. body:sub(1, 300) end
  end
end

function done(summary, latency, _)
  local seen_by_all, wrong_of_all, first = 0, 0, ""
  for _, thread in ipairs(threads) do
    seen_by_all = seen_by_all + thread:get("seen")
    wrong_of_all = wrong_of_all + thread:get("wrong")
    if first == "" then first = thread:get("example") end
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"microseconds":%d,"requests":%d,"seen":%d,"wrong":%d,"failed":%d,"timeouts":%d,"p50":%d,"p99":%d,"longest":%d,"example":%q}\n',
    summary.duration, summary.requests, seen_by_all, wrong_of_all, errors.connect + errors.read + errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max, first:gsub('[^%w%p ]', ' '):gsub('[\\"]', "'")))
end
