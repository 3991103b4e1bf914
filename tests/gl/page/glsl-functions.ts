/**
 * Runs a GLSL function for a list of inputs on the real WebGL 2 of the browser: one pixel per input, results read back as floats.
 */
export function evaluateGlsl(request: {
  /** Declarations and functions under test. */
  chunk: string
  /** GLSL expression of type vec4 of `inputs` (a vec4). */
  expression: string
  /** Four numbers per evaluation. */
  inputs: number[][]
  uniforms?: Record<string, { type: 'float' | 'uint'; value: number }>
}): number[][] {
  const gl = document.createElement('canvas').getContext('webgl2')
  if (gl === null) throw new Error('this browser has no WebGL 2')
  if (gl.getExtension('EXT_color_buffer_float') === null) throw new Error('no float render targets')
  const count = request.inputs.length
  const compile = (type: number, source: string): WebGLShader => {
    const shader = gl.createShader(type)!
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    if (gl.getShaderParameter(shader, gl.COMPILE_STATUS) !== true)
      throw new Error(gl.getShaderInfoLog(shader) ?? 'no log')
    return shader
  }
  const program = gl.createProgram()
  gl.attachShader(
    program,
    compile(
      gl.VERTEX_SHADER,
      '#version 300 es\nvoid main() { gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0); }',
    ),
  )
  gl.attachShader(
    program,
    compile(
      gl.FRAGMENT_SHADER,
      `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler2D uInputs;
out vec4 result;
${request.chunk}
void main() {
  vec4 inputs = texelFetch(uInputs, ivec2(int(gl_FragCoord.x), 0), 0);
  result = ${request.expression};
}`,
    ),
  )
  gl.linkProgram(program)
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true)
    throw new Error(gl.getProgramInfoLog(program) ?? 'no log')
  gl.useProgram(program)
  const texture = (data: Float32Array | null): WebGLTexture => {
    const made = gl.createTexture()
    gl.bindTexture(gl.TEXTURE_2D, made)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, count, 1, 0, gl.RGBA, gl.FLOAT, data)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST)
    return made
  }
  const target = texture(null)
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer())
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0)
  texture(new Float32Array(request.inputs.flat()))
  for (const [name, { type, value }] of Object.entries(request.uniforms ?? {})) {
    const location = gl.getUniformLocation(program, name)
    if (type === 'uint') gl.uniform1ui(location, value)
    else gl.uniform1f(location, value)
  }
  gl.viewport(0, 0, count, 1)
  gl.drawArrays(gl.TRIANGLES, 0, 3)
  const results = new Float32Array(4 * count)
  gl.readPixels(0, 0, count, 1, gl.RGBA, gl.FLOAT, results)
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return Array.from({ length: count }, (_, at) => [...results.subarray(4 * at, 4 * at + 4)])
}
