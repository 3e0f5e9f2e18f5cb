-- A minimal S3 within nginx: it decides and renames; nginx itself moves the bytes both ways.
-- Any signature is accepted. Not here: versions, user metadata, access rules, MD5 etags.

local files = require "files"
local listing = require "listing"
local objects = require "objects"
local xml = require "xml"

local s3 = {}

local PROBLEMS = {
    NoSuchKey = 404, NoSuchBucket = 404, NoSuchUpload = 404, PreconditionFailed = 412,
    InvalidPart = 400, InvalidArgument = 400, IncompleteBody = 400, NotImplemented = 501,
    InternalError = 500, MethodNotAllowed = 405,
}

local function reply(status, text)
    ngx.status = status
    if text then ngx.header["Content-Type"] = "application/xml" end
    ngx.header["Content-Length"] = text and #text or 0
    if text and ngx.req.get_method() ~= "HEAD" then ngx.print(text) else ngx.send_headers() end
    return ngx.exit(ngx.HTTP_OK)
end

local function refuse(code)
    return reply(PROBLEMS[code], xml.HEAD .. "<Error><Code>" .. code .. "</Code><Message>" .. code
        .. "</Message><Resource>" .. xml.escape(ngx.var.uri) .. "</Resource></Error>")
end

local VERDICTS = { [404] = "NoSuchKey", [412] = "PreconditionFailed", [500] = "InternalError" }

local function etag_of(text) return '"' .. text:gsub('"', "") .. '"' end

local function condition()
    local headers = ngx.req.get_headers(0)
    local match, none = headers["if-match"], headers["if-none-match"]
    -- Or nginx holds our answer, and its new etag, against them.
    if match then ngx.req.clear_header "If-Match" end
    if none then ngx.req.clear_header "If-None-Match" end
    return { none = none == "*", match = match and etag_of(match) }
end

-- Where the data of a body in aws-chunked framing lies: `HEX;…\r\n DATA \r\n`, then trailers.
local function chunks(path)
    local file, ranges = assert(io.open(path, "rb")), {}
    while true do
        local size = tonumber(((file:read "*l" or ""):match "^%x+"), 16)
        if not size or size == 0 then break end
        local start = file:seek()
        ranges[#ranges + 1] = { path, start, size }
        file:seek("set", start + size + 2)
    end
    file:close()
    return ranges
end

-- The file that nginx wrote the request's body to, unframed.
local function body()
    ngx.req.read_body()
    local path = ngx.req.get_body_file()
    if not path then
        path = objects.temp()
        files.write(path, "")
        return path
    end
    local headers = ngx.req.get_headers(0)
    local digest = headers["x-amz-content-sha256"] or ""
    local encoding = headers["content-encoding"] or ""
    if not digest:find("STREAMING-", 1, true) and not encoding:find("aws-chunked", 1, true) then
        return path
    end
    ngx.log(ngx.NOTICE, "aws-chunked body of ", headers["user-agent"] or "?")
    local plain = objects.temp()
    return files.gather(chunks(path), plain) and plain or nil
end

local function read_object(bucket, key)
    local found = objects.look(bucket, key)
    if not found then return refuse "NoSuchKey" end
    local match = ngx.req.get_headers(0)["if-match"]
    if match and match ~= "*" and etag_of(match) ~= found.etag then
        return refuse "PreconditionFailed"
    end
    if match then ngx.req.clear_header "If-Match" end
    ngx.header["ETag"] = found.etag
    ngx.ctx.path, ngx.ctx.etag = objects.path(bucket, key), found.etag
    local path = "/buckets/" .. bucket .. "/" .. key
    if found.parts then
        if ngx.req.get_method() == "HEAD" then
            ngx.header["Last-Modified"] = ngx.http_time(found.seconds)
            ngx.header["Content-Length"] = found.size
            ngx.header["Accept-Ranges"] = "bytes"
            ngx.send_headers()
            return ngx.exit(ngx.HTTP_OK)
        end
        if not objects.whole(found.parts) then return refuse "InternalError" end
        path = "/parts/" .. found.parts.id .. "/whole"
    end
    ngx.req.set_uri(path, false, true)
end

-- Called before the headers leave. A file that was replaced after it was looked at and before it
-- was opened would go out under the etag of the old one; then the connection is cut instead.
function s3.check()
    local path = ngx.ctx.path
    if path and ngx.status < 300 then
        local found = files.look(path)
        if not found or found.etag ~= ngx.ctx.etag then return ngx.exit(ngx.ERROR) end
    end
end

local function copy_object(bucket, key, source)
    local from_bucket, from_key = ngx.unescape_uri(source:gsub("%?.*$", "")):match "^/?([^/]+)/(.+)$"
    local found = from_key and objects.look(from_bucket, from_key)
    if not found then return refuse "NoSuchKey" end
    if not objects.copy(objects.path(from_bucket, from_key), bucket, key) then
        return refuse "InternalError"
    end
    return reply(200, xml.HEAD .. "<CopyObjectResult><ETag>" .. xml.escape(found.etag)
        .. "</ETag><LastModified>" .. os.date("!%Y-%m-%dT%H:%M:%S.000Z", found.seconds)
        .. "</LastModified></CopyObjectResult>")
end

local function put_object(bucket, key)
    local file = body()
    if not file then return refuse "IncompleteBody" end
    local found = files.look(file)
    local verdict = objects.install(file, bucket, key, condition())
    if verdict ~= 200 then
        files.remove(file)
        return refuse(VERDICTS[verdict])
    end
    ngx.header["ETag"] = found.etag
    return reply(200)
end

local function put_part(args)
    local number = tonumber(args.partNumber)
    if not number or number < 1 or number > 10000 then return refuse "InvalidArgument" end
    local file = body()
    if not file then return refuse "IncompleteBody" end
    local found = files.look(file)
    if not files.rename(file, objects.upload_path(args.uploadId, number)) then
        files.remove(file)
        return refuse "NoSuchUpload"
    end
    ngx.header["ETag"] = found.etag
    return reply(200)
end

local function begin_upload(bucket, key)
    local id = objects.fresh()
    files.make_folder(objects.upload_path(id))
    return reply(200, xml.HEAD .. "<InitiateMultipartUploadResult><Bucket>" .. xml.escape(bucket)
        .. "</Bucket><Key>" .. xml.escape(key) .. "</Key><UploadId>" .. id
        .. "</UploadId></InitiateMultipartUploadResult>")
end

local function complete_upload(bucket, key, id)
    local numbers, wrong = {}, false
    for part in files.read(body()):gmatch "<Part>(.-)</Part>" do
        local number = tonumber(xml.element(part, "PartNumber"))
        local stored = number and files.look(objects.upload_path(id, number))
        wrong = wrong or not stored or stored.etag ~= etag_of(xml.element(part, "ETag") or "")
        numbers[#numbers + 1] = number
    end
    if not files.look(objects.upload_path(id)) then return refuse "NoSuchUpload" end
    if wrong or #numbers == 0 then return refuse "InvalidPart" end
    table.sort(numbers)
    local verdict = objects.join(id, numbers, bucket, key, condition())
    if verdict ~= 200 then return refuse(VERDICTS[verdict]) end
    local found = files.look(objects.path(bucket, key))
    return reply(200, xml.HEAD .. "<CompleteMultipartUploadResult><Bucket>" .. xml.escape(bucket)
        .. "</Bucket><Key>" .. xml.escape(key) .. "</Key><ETag>"
        .. xml.escape(found and found.etag or "") .. "</ETag></CompleteMultipartUploadResult>")
end

local function answer_object(method, bucket, key, args)
    local id = type(args.uploadId) == "string" and args.uploadId:match "^%d+%-%d+$" or nil
    if args.uploadId and not id then return refuse "NoSuchUpload" end
    if method == "GET" or method == "HEAD" then
        if id or args.uploads then return refuse "NotImplemented" end
        return read_object(bucket, key)
    elseif method == "PUT" then
        local source = ngx.req.get_headers(0)["x-amz-copy-source"]
        if id and source then return refuse "NotImplemented" end
        if id then return put_part(args) end
        if source then return copy_object(bucket, key, source) end
        return put_object(bucket, key)
    elseif method == "POST" and args.uploads then
        return begin_upload(bucket, key)
    elseif method == "POST" and id then
        return complete_upload(bucket, key, id)
    elseif method == "DELETE" then
        if id then
            if not files.remove_folder(objects.upload_path(id)) then return refuse "NoSuchUpload" end
        else
            objects.delete(bucket, key)
        end
        return reply(204)
    end
    return refuse "MethodNotAllowed"
end

local function delete_several(bucket)
    local deleted = {}
    for object in files.read(body()):gmatch "<Object>(.-)</Object>" do
        local key = xml.element(object, "Key")
        objects.delete(bucket, key)
        deleted[#deleted + 1] = "<Deleted><Key>" .. xml.escape(key) .. "</Key></Deleted>"
    end
    return reply(200, xml.HEAD .. "<DeleteResult>" .. table.concat(deleted) .. "</DeleteResult>")
end

local function answer_bucket(method, bucket, args)
    local exists = files.look(objects.path(bucket))
    if method == "PUT" then
        files.make_folder(objects.path(bucket))
        return reply(200)
    elseif not exists then
        return refuse "NoSuchBucket"
    elseif method == "HEAD" then
        return reply(200)
    elseif method == "POST" and args.delete then
        return delete_several(bucket)
    elseif method ~= "GET" then
        return refuse "MethodNotAllowed"
    elseif args.versioning then
        return reply(200, xml.HEAD .. "<VersioningConfiguration/>")
    elseif args.location then
        return reply(200, xml.HEAD .. "<LocationConstraint/>")
    elseif args.versions or args.uploads then
        return refuse "NotImplemented"
    end
    local text = listing.answer(bucket, args)
    if not text then return refuse "InvalidArgument" end
    return reply(200, text)
end

function s3.answer()
    local bucket, key = ngx.var.uri:match "^/([^/]+)/?(.*)$"
    local method, args = ngx.req.get_method(), ngx.req.get_uri_args()
    if not bucket then
        return reply(200, xml.HEAD .. "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>")
    elseif key == "" then
        return answer_bucket(method, bucket, args)
    elseif key:find("//", 1, true) or key:sub(-1) == "/" or key:sub(1, 1) == "/" then
        return refuse "InvalidArgument" -- keys are paths here
    elseif not files.look(objects.path(bucket)) then
        return refuse "NoSuchBucket"
    end
    return answer_object(method, bucket, key, args)
end

return s3
