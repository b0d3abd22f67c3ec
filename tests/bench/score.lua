-- wrk script: posts the files of a folder one after the other.
-- usage: wrk ... -s score.lua URL -- FOLDER multipart|raw
-- Prints one JSON line: requests, seconds, latency percentiles in ms, and errors by kind.
local bodies, headers, next_body = {}, {}, 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function multipart(bytes, boundary)
  return "--" .. boundary .. "\r\n"
    .. 'Content-Disposition: form-data; name="file"; filename="image.jpg"\r\n'
    .. "Content-Type: image/jpeg\r\n\r\n" .. bytes .. "\r\n--" .. boundary .. "--\r\n"
end

function init(arguments)
  local folder, form = arguments[1], arguments[2]
  local boundary = "5f1d7a84c2driftdbench"
  headers["Content-Type"] = form == "raw" and "image/jpeg" or "multipart/form-data; boundary=" .. boundary
  local listing = io.popen("ls -1 '" .. folder .. "'")
  for name in listing:lines() do
    local bytes = read(folder .. "/" .. name)
    local body = form == "raw" and bytes or multipart(bytes, boundary)
    bodies[#bodies + 1] = wrk.format("POST", nil, headers, body)
  end
  listing:close()
end

function request()
  next_body = next_body % #bodies + 1
  return bodies[next_body]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "p50_ms": %.2f, "p99_ms": %.2f, "bad_status": %d, "timeouts": %d, "socket_errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.timeout, e.connect + e.read + e.write))
end
