-- ListObjectsV2: one walk at the first page; keys that do not fit wait in a file for later pages.

local files = require "files"
local objects = require "objects"
local xml = require "xml"

local listing = {}

local function one_entry(bucket, key)
    local found = objects.look(bucket, key)
    if not found then return nil end
    return string.format(
        "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size>"
            .. "<StorageClass>STANDARD</StorageClass></Contents>",
        xml.escape(key), os.date("!%Y-%m-%dT%H:%M:%S.000Z", found.seconds),
        xml.escape(found.etag), found.size)
end

local function any_object(path)
    local names, folders = files.names(path)
    for _, name in ipairs(names) do
        if not folders[name] or any_object(path .. "/" .. name) then return true end
    end
    return false
end

-- Collect keys below `at` (empty, or with a slash at its end) that begin with the prefix.
local function walk(asked, at, keys)
    local names, folders = files.names(objects.path(asked.bucket, at))
    for _, name in ipairs(names) do
        local key = at .. name
        local inside = key:sub(1, #asked.prefix) == asked.prefix
        if not folders[name] then
            if inside and key > asked.after then keys[#keys + 1] = key end
        elseif inside and asked.delimiter == "/" then
            if any_object(objects.path(asked.bucket, key)) then keys[#keys + 1] = key .. "/" end
        elseif inside or asked.prefix:sub(1, #key + 1) == key .. "/" then
            walk(asked, key .. "/", keys)
        end
    end
end

local function render(asked, keys)
    local lines = {}
    for _, key in ipairs(keys) do
        if key:sub(-1) == "/" then
            lines[#lines + 1] = "<CommonPrefixes><Prefix>" .. xml.escape(key)
                .. "</Prefix></CommonPrefixes>"
        else
            lines[#lines + 1] = one_entry(asked.bucket, key)
        end
    end
    return lines
end

local function first_page(asked)
    local keys = {}
    walk(asked, asked.prefix:match "^.*/" or "", keys)
    table.sort(keys)
    if #keys <= asked.limit then return keys, nil end
    local id, page = objects.fresh(), {}
    local file = assert(io.open(objects.root .. "/lists/" .. id, "wb"))
    for at, key in ipairs(keys) do
        if at <= asked.limit then
            page[at] = key
        else
            file:write((key:gsub("\n", "\1")), "\n")
        end
    end
    file:close()
    return page, id .. "-0"
end

local function later_page(asked)
    local id, offset = asked.token:match "^(%d+%-%d+)%-(%d+)$"
    local file = id and io.open(objects.root .. "/lists/" .. id, "rb")
    if not file then return nil end
    file:seek("set", tonumber(offset))
    local page = {}
    for _ = 1, asked.limit do
        local line = file:read "*l"
        page[#page + 1] = line and line:gsub("\1", "\n") or nil
    end
    local following = file:seek()
    local more = file:read(1)
    file:close()
    return page, more and id .. "-" .. following or nil
end

-- The answer to a listing as XML, or nil for a token of no listing.
function listing.answer(bucket, args)
    local asked = {
        bucket = bucket,
        prefix = type(args.prefix) == "string" and args.prefix or "",
        delimiter = args.delimiter,
        after = type(args["start-after"]) == "string" and args["start-after"] or "",
        limit = math.min(tonumber(args["max-keys"]) or 1000, 1000),
        token = args["continuation-token"],
    }
    local page, following
    if type(asked.token) == "string" then
        page, following = later_page(asked)
    else
        page, following = first_page(asked)
    end
    if not page then return nil end
    local lines = render(asked, page)
    return table.concat {
        xml.HEAD, '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        "<Name>", xml.escape(bucket), "</Name><Prefix>", xml.escape(asked.prefix), "</Prefix>",
        "<KeyCount>", #lines, "</KeyCount><MaxKeys>", asked.limit, "</MaxKeys>",
        "<IsTruncated>", following and "true" or "false", "</IsTruncated>",
        following and "<NextContinuationToken>" .. following .. "</NextContinuationToken>" or "",
        table.concat(lines), "</ListBucketResult>",
    }
end

return listing
