import Fastify from 'fastify'

/** The least that takes the same request and gives the same answer: the body is parsed, and thrown away. */
const app = Fastify()
app.post('/v1/alerts', async (request, reply) => {
  const alerts = Array.isArray(request.body) ? request.body : [request.body]
  return reply.code(202).send({ alerts: alerts.map(() => ({ id: '01M8KXNQ5VQ7JPWGFB17FN41HC' })) })
})
process.stderr.write(`${JSON.stringify({ msg: 'listening', address: await app.listen({ port: 0 }) })}\n`)
