/** The whole table. */
import { addressing } from './rows/addressing.ts'
import { authentication } from './rows/authentication.ts'
import { buckets } from './rows/buckets.ts'
import { checksums } from './rows/checksums.ts'
import { configurations } from './rows/configurations.ts'
import { copies } from './rows/copies.ts'
import { deletes } from './rows/deletes.ts'
import { extensions } from './rows/extensions.ts'
import { listing } from './rows/listing.ts'
import { locks } from './rows/locks.ts'
import { multipart } from './rows/multipart.ts'
import { objects } from './rows/objects.ts'
import { policies } from './rows/policies.ts'
import { posts } from './rows/posts.ts'
import { tagRules } from './rows/tagging.ts'
import type { Rule } from './rule.ts'

export const RULES: readonly Rule[] = [
  ...addressing,
  ...authentication,
  ...objects,
  ...checksums,
  ...buckets,
  ...copies,
  ...deletes,
  ...listing,
  ...multipart,
  ...tagRules,
  ...locks,
  ...configurations,
  ...policies,
  ...posts,
  ...extensions,
]
