import { z } from 'zod'

// The page's policy forbids `eval`. This module comes before every schema: zod decides when a schema is made.
z.config({ jitless: true })
