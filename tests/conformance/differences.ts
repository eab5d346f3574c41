/** Rules of the suite that a real MinIO does not keep, and why Cairn does. The first entry that fits a rule tells its reason. */
export interface Difference {
  readonly title: string
  readonly reason: string
  /** Exact titles, or patterns for families. */
  readonly rules: readonly (string | RegExp)[]
}

export const DIFFERENCES: readonly Difference[] = [
  {
    title: 'Names of keys',
    reason:
      'Amazon takes any text as a key and lists it as it was stored; blanks of encoded names are `%20`, which every client decodes.',
    rules: [
      /^3\.1 (a key with|keys that differ|a key and a key below)/,
      /^4\.3\.2 list V[12] (encodes names|of a prefix of a slash|of two slashes|of a prefix that is a key)/,
      /^(4\.3\.4 versions with an encoding|4\.6\.6 keys of part lists|4\.6\.7 names of uploads)/,
    ],
  },
  {
    title: 'Sub-resources never fall through',
    reason:
      'What is about a part of a bucket or an object must not be taken for all of it: MinIO deletes the bucket on `DELETE ?publicAccessBlock`, and the object on `DELETE ?retention`.',
    rules: [
      /^1\.4 (DELETE|PUT) \?/,
      /^1\.4 \?/,
      /^1\.1 (a method that an existing|a POST to a bucket)/,
    ],
  },
  {
    title: 'Buckets that do not exist',
    reason: 'What is not there is 404 `NoSuchBucket` for every operation.',
    rules: [/^7\.2 /],
  },
  {
    title: 'Authentication',
    reason:
      'A forged signature is refused whatever the payload mode; malformed old signatures get the codes of Amazon, an empty header is nobody, a date that is missing or none is 403.',
    rules: [/^2\.(1|3|4|6) /, '2.8 a forged presigned write with an unsigned trailer is refused'],
  },
  {
    title: 'What is signed or summed is verified first',
    reason:
      'Payload hashes, `Content-MD5` and checksums count for documents and presigned URLs too, before anything is done; a stream that is cut, or a length that is none, is a mistake of the client.',
    rules: [
      /^2\.(5|7) /,
      /^2\.8 an upload with (no terminal|a decoded length|a chunk header|more bytes)/,
      /^2\.8 an upload with (a trailer that was not|an announced trailer)/,
      '4.4 a checksum is integrity enough',
      '4.4 a document with an empty body is refused',
    ],
  },
  {
    title: 'Metadata as it was sent',
    reason:
      '`Content-Encoding` without the framing of uploads, `Expires` word for word, website redirects kept: as Amazon.',
    rules: [/^3\.4 /, /website redirect/],
  },
  {
    title: 'Owners',
    reason:
      'A request that expects another owner of its bucket is stopped; ACLs tell the owner, and other ones than private are refused by name.',
    rules: [/expected-bucket-owner/, /^4\.16 (the ACL|an unknown canned)/],
  },
  {
    title: 'Order of conditions',
    reason: 'RFC 9110 and Amazon: `If-Match` first, then `If-None-Match`; lists of tags are lists.',
    rules: [/^3\.5 (GET|HEAD) with/, /^4\.2\.4 a copy with if-match true/],
  },
  {
    title: 'Conditions of copies, uploads and deletions',
    reason:
      'Amazon has conditions for the target of a copy, decides those of an upload at its completion, knows conditional deletions, and names the condition that failed, by which s3fs knows that a file exists; MinIO has none of them.',
    rules: [/^3\.5 (a copy|completing|DELETE|an entry|a reply of 412)/],
  },
  {
    title: 'Checksums',
    reason:
      'The codes, defaults and answers of Amazon: `BadDigest` for what differs, CRC64NVME for what came without, the type in the answer of a completion, the algorithm in lists, a declared algorithm computed when a part came without, and the algorithms that MinIO has not.',
    rules: [/^3\.10 /, /^2\.8 an upload with a wrong checksum/, /^4\.6\.4 x-amz-mp-object-size/],
  },
  {
    title: 'What names nothing',
    reason:
      'A range that ends before it begins is none, as RFC 9110 says, and of what is absent there is no range; buckets tell their ARN; a list for others and an owner of everything exclude each other.',
    rules: [
      /^3\.9 (GET|HEAD) of "bytes=5-2"/,
      /^3\.9 a range of the last no bytes/,
      '4.1 a bucket tells its ARN and its region',
      '4.1 an ACL and an owner of everything exclude each other',
    ],
  },
  {
    title: 'The rest of what changed',
    reason:
      '`If-Range` keeps a client from joining pieces of two contents (RFC 9110 13.1.5): browsers resume downloads and films by it. MinIO looks past it.',
    rules: [/^3\.9 a range with If-Range/],
  },
  {
    title: 'Numbers that are none',
    reason: 'A malformed number is 400 `InvalidArgument`, never 500.',
    rules: [
      /^3\.9 partNumber/,
      /^4\.6\.2 part number/,
      /^4\.3\.1 list V[12] with max-keys/,
      /^4\.1 max-buckets/,
    ],
  },
  {
    title: 'Bodies and expectations',
    reason:
      'Chunked transfer encoding is HTTP, and the limits are held while reading; an expectation that nobody knows is passed over; headers that are too long as a whole are not told to be too much metadata.',
    rules: [/^4\.2\.3 (a body without a length|an expectation)/, /^3\.3 headers of more than/],
  },
  {
    title: 'Parts without an upload',
    reason:
      'Half the address of a part must not end as an object, nor what belongs to buckets or to copies be passed over.',
    rules: [
      '4.6.2 a part number without an upload id stores nothing',
      /^1\.1 (GET|PUT) \?\w+ of a key is refused/,
      /^1\.1 (GET|DELETE) with a copy source/,
      '4.2.4 a source in the query stores nothing',
    ],
  },
  {
    title: 'Versions and delete markers',
    reason:
      'Amazon adds a marker with every deletion, also of an absent key, names null versions where versioning is suspended and versions that are deleted by name, also in errors, and versions folder objects like any other. Version ids are opaque: one that Amazon, Ceph or VersityGW gave is unknown here, not malformed; what is no id at all is refused by copies as by reads. A status of versioning that is none is malformed XML.',
    rules: [
      /^3\.11 /,
      /^4\.4 (every deletion|an absent key|a suspended bucket|removing a marker|a version that is not there)/,
      /^4\.3\.4 versions come/,
      /^4\.3\.5 /,
      /^4\.1 a bucket with only delete markers/,
      /^4\.5 (an unknown status|a status in lower case)/,
      /^4\.2\.6 attributes of a deleted/,
      /^4\.2\.4 (a copy in a versioned|a deleted source|a copy from a version)/,
    ],
  },
  {
    title: 'Copies',
    reason: 'A storage class that is named is a change, as Amazon has it.',
    rules: [/^4\.2\.4 a copy onto itself may name/],
  },
  {
    title: 'Lists',
    reason:
      'Markers are positions, whatever they are; they carry no hints; prefixes with nothing but deleted keys are not shown; an empty token begins at the beginning.',
    rules: [/^4\.3\./],
  },
  {
    title: 'Lists of buckets',
    reason: 'Amazon pages them and takes a prefix and a region.',
    rules: [/^4\.1 (a prefix chooses buckets|a region chooses buckets|buckets come in pages)/],
  },
  {
    title: 'Attributes',
    reason: 'As Amazon: parts only of objects that have parts.',
    rules: [/^4\.2\.6 /],
  },
  {
    title: 'Renames and appends',
    reason: 'Not known to MinIO; Amazon has them in directory buckets.',
    rules: [/^1\.4 a rename/, /^1\.3 /],
  },
  {
    title: 'Multipart uploads',
    reason:
      'Lists of all uploads by prefix, delimiter and page; a repeated completion gets its answer again; the codes of Amazon for what does not fit.',
    rules: [/^4\.6\./],
  },
  {
    title: 'Tags',
    reason:
      'Letters of all scripts are letters, keys in `aws:` are for Amazon, and tags of buckets get the codes of those of objects.',
    rules: [/^4\.7 /],
  },
  {
    title: 'Object lock',
    reason:
      'Protected versions answer 403 `AccessDenied` and what is not set 404, as Amazon; a versioned bucket may get a lock afterwards; the default counts beside a legal hold.',
    rules: [/^4\.9 /, /^4\.5 a bucket with object lock/],
  },
  {
    title: 'Bucket policies',
    reason:
      'Policies come back as they were sent, a pattern of actions opens those that have a resource, public means what Amazon means by it, existing tags are those that are stored, and who may list learns what is absent. What MinIO cannot read of a policy it gets in other words on the same drives, which allow no more and deny no less.',
    rules: [/^4\.17 /, /^2\.(9|10) /],
  },
  {
    title: 'Denials to the owner',
    reason:
      'What the policy of a bucket denies to everybody it denies to the root key too, but for the policy itself; to MinIO bucket policies are for anonymous callers. `CAIRN_API_BUCKET_POLICY=anonymous` does the same.',
    rules: [/^7\.1 /],
  },
  {
    title: 'Access block, ownership, CORS, websites',
    reason: 'MinIO has none of them for a bucket.',
    rules: [/^4\.(14|15|16) /],
  },
  {
    title: 'Buckets made with tags',
    reason: 'Amazon takes tags in the document of CreateBucket; MinIO passes them over.',
    rules: ['4.1 a bucket is made with tags'],
  },
  {
    title: 'Lifecycle',
    reason: 'Rules for incomplete uploads alone are taken; an unknown status is malformed XML.',
    rules: [/^4\.10 /],
  },
  {
    title: 'Forms',
    reason:
      'Every field can be constrained, `[0, 0]` means the empty file, broken policies are 400 `InvalidPolicyDocument`, anonymous forms need only the right to write, and the default type is that of other writes.',
    rules: [/^6\.1/],
  },
  {
    title: 'Archives',
    reason:
      'HEAD tells the type of a member, names that climb are not shown, a broken archive is a mistake of the request.',
    rules: [/^4\.2\.(8|9) /],
  },
  {
    title: 'Queries',
    reason: 'Two formats at once are a conflict, as in the text of the error.',
    rules: [/^6\.2 /],
  },
]
