/* What follows is the same for every network: it knows the one above by its tables and by the
 * macros OPENCL(name), ARENA_BYTES and WEIGHTS_BYTES. */

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct OPENCL(net) {
  cl_context context;
  cl_command_queue queue;
  cl_program program;
  cl_mem arena, weights;
  cl_mem memory[LENGTH(buffers)];
  cl_kernel kernels[LENGTH(launches)];
};

static cl_int first_device(cl_device_type type, cl_device_id *device) {
  cl_platform_id platforms[16];
  cl_uint count = 0;
  cl_int status = clGetPlatformIDs(16, platforms, &count);
  if (status != CL_SUCCESS) return status;
  if (count > 16) count = 16;
  for (cl_uint i = 0; i < count; i++)
    if (clGetDeviceIDs(platforms[i], type, 1, device, NULL) == CL_SUCCESS) return CL_SUCCESS;
  return CL_DEVICE_NOT_FOUND;
}

/* Memory for a buffer: the caller's tensors have their own, all else is a region. */
static cl_mem place(OPENCL(net) *net, const struct buffer *buffer, cl_int *status) {
  cl_buffer_region region;
  region.origin = buffer->offset;
  region.size = buffer->bytes;
  switch (buffer->role) {
    case ARENA:
      return clCreateSubBuffer(net->arena, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION,
                               &region, status);
    case WEIGHTS:
      return clCreateSubBuffer(net->weights, CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION,
                               &region, status);
    default:
      return clCreateBuffer(net->context, CL_MEM_READ_WRITE, buffer->bytes, NULL, status);
  }
}

static cl_int allocate(OPENCL(net) *net, const void *weights) {
  cl_int status;
  net->arena = clCreateBuffer(net->context, CL_MEM_READ_WRITE, ARENA_BYTES, NULL, &status);
  if (status != CL_SUCCESS) return status;
  net->weights = clCreateBuffer(net->context, CL_MEM_READ_ONLY, WEIGHTS_BYTES, NULL, &status);
  if (status != CL_SUCCESS) return status;
  status = clEnqueueWriteBuffer(net->queue, net->weights, CL_TRUE, 0, WEIGHTS_BYTES, weights, 0,
                                NULL, NULL);
  for (size_t i = 0; i < LENGTH(buffers) && status == CL_SUCCESS; i++)
    net->memory[i] = place(net, &buffers[i], &status);
  return status;
}

static cl_int build(OPENCL(net) *net, cl_device_id device, char *log, size_t log_bytes) {
  cl_int status;
  const char *text[LENGTH(source)];
  for (size_t i = 0; i < LENGTH(source); i++) text[i] = source[i];
  net->program =
      clCreateProgramWithSource(net->context, (cl_uint)LENGTH(source), text, NULL, &status);
  if (status != CL_SUCCESS) return status;
  status = clBuildProgram(net->program, 1, &device, "", NULL, NULL);
  if (status != CL_SUCCESS && log && log_bytes)
    clGetProgramBuildInfo(net->program, device, CL_PROGRAM_BUILD_LOG, log_bytes, log, NULL);
  return status;
}

static cl_int prepare(OPENCL(net) *net) {
  cl_int status = CL_SUCCESS;
  for (size_t i = 0; i < LENGTH(launches) && status == CL_SUCCESS; i++) {
    const struct launch *launch = &launches[i];
    net->kernels[i] = clCreateKernel(net->program, launch->kernel, &status);
    for (cl_uint j = 0; j < launch->count && status == CL_SUCCESS; j++)
      status = clSetKernelArg(net->kernels[i], j, sizeof(cl_mem),
                              &net->memory[arguments[launch->first + j]]);
  }
  return status;
}

static cl_int start(OPENCL(net) *net, cl_device_id device, const void *weights, char *log,
                    size_t log_bytes) {
  cl_int status;
  net->context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (status != CL_SUCCESS) return status;
  net->queue = clCreateCommandQueue(net->context, device, 0, &status);
  if (status != CL_SUCCESS) return status;
  status = build(net, device, log, log_bytes);
  if (status == CL_SUCCESS) status = allocate(net, weights);
  return status == CL_SUCCESS ? prepare(net) : status;
}

cl_int OPENCL(open)(OPENCL(net) **made, cl_device_id device, const void *weights, char *log,
                    size_t log_bytes) {
  cl_int status = CL_SUCCESS;
  OPENCL(net) *net;
  *made = NULL;
  if (log && log_bytes) log[0] = '\0';
  if (!device) {
    status = first_device(CL_DEVICE_TYPE_GPU, &device);
    if (status != CL_SUCCESS) status = first_device(CL_DEVICE_TYPE_ALL, &device);
    if (status != CL_SUCCESS) return status;
  }
  net = calloc(1, sizeof *net);
  if (!net) return CL_OUT_OF_HOST_MEMORY;
  status = start(net, device, weights, log, log_bytes);
  if (status != CL_SUCCESS) {
    OPENCL(close)(net);
    return status;
  }
  *made = net;
  return CL_SUCCESS;
}

cl_int OPENCL(run)(OPENCL(net) *net, const void *const *inputs, void *const *outputs) {
  cl_int status = CL_SUCCESS;
  for (size_t i = 0, n = 0; i < LENGTH(buffers) && status == CL_SUCCESS; i++)
    if (buffers[i].role == INPUT)
      status = clEnqueueWriteBuffer(net->queue, net->memory[i], CL_FALSE, 0, buffers[i].bytes,
                                    inputs[n++], 0, NULL, NULL);
  for (size_t i = 0; i < LENGTH(launches) && status == CL_SUCCESS; i++)
    status = clEnqueueNDRangeKernel(net->queue, net->kernels[i], 3, NULL, launches[i].global,
                                    launches[i].local, 0, NULL, NULL);
  for (size_t i = 0, n = 0; i < LENGTH(buffers) && status == CL_SUCCESS; i++)
    if (buffers[i].role == OUTPUT)
      status = clEnqueueReadBuffer(net->queue, net->memory[i], CL_FALSE, 0, buffers[i].bytes,
                                   outputs[n++], 0, NULL, NULL);
  cl_int finished = clFinish(net->queue);
  return status == CL_SUCCESS ? finished : status;
}

void OPENCL(close)(OPENCL(net) *net) {
  if (!net) return;
  for (size_t i = 0; i < LENGTH(launches); i++)
    if (net->kernels[i]) clReleaseKernel(net->kernels[i]);
  for (size_t i = 0; i < LENGTH(buffers); i++)
    if (net->memory[i]) clReleaseMemObject(net->memory[i]);
  if (net->arena) clReleaseMemObject(net->arena);
  if (net->weights) clReleaseMemObject(net->weights);
  if (net->program) clReleaseProgram(net->program);
  if (net->queue) clReleaseCommandQueue(net->queue);
  if (net->context) clReleaseContext(net->context);
  free(net);
}

#ifdef MBC_OPENCL_MAIN
/* A program: NET WEIGHTS INPUT... OUTPUT..., files of raw float32 (or int32, of outputs
 * that are indices). Exit code 0: done; 1: a file could not be used; 2: the command line makes no
 * sense; 3: OpenCL failed. */
#include <stdio.h>

static void *read_file(const char *path, size_t bytes) {
  FILE *file = fopen(path, "rb");
  void *data = malloc(bytes);
  if (file && data && fread(data, 1, bytes, file) != bytes) {
    free(data);
    data = NULL;
  }
  if (file) fclose(file);
  if (!file || !data) fprintf(stderr, "error: %s: cannot read %zu bytes\n", path, bytes);
  return file ? data : NULL;
}

static int write_file(const char *path, const void *data, size_t bytes) {
  FILE *file = fopen(path, "wb");
  int ok = file && fwrite(data, 1, bytes, file) == bytes;
  if (file && fclose(file)) ok = 0;
  if (!ok) fprintf(stderr, "error: %s: cannot write %zu bytes\n", path, bytes);
  return ok;
}

int main(int count, char **words) {
  static char log[65536];
  void *inputs[LENGTH(buffers)], *outputs[LENGTH(buffers)];
  size_t output_bytes[LENGTH(buffers)];
  int given = 0, made = 0;
  for (size_t i = 0; i < LENGTH(buffers); i++) {
    given += buffers[i].role == INPUT;
    made += buffers[i].role == OUTPUT;
  }
  if (count != 2 + given + made) {
    fprintf(stderr, "usage: %s WEIGHTS %d INPUT %d OUTPUT\n", words[0], given, made);
    return 2;
  }
  void *weights = read_file(words[1], WEIGHTS_BYTES);
  if (!weights) return 1;
  given = made = 0;
  for (size_t i = 0; i < LENGTH(buffers); i++) {
    if (buffers[i].role == INPUT) {
      inputs[given] = read_file(words[2 + given], buffers[i].bytes);
      if (!inputs[given++]) return 1;
    } else if (buffers[i].role == OUTPUT) {
      output_bytes[made] = buffers[i].bytes;
      outputs[made] = malloc(buffers[i].bytes);
      if (!outputs[made++]) return 1;
    }
  }
  OPENCL(net) *net;
  cl_int status = OPENCL(open)(&net, NULL, weights, log, sizeof log);
  if (status == CL_SUCCESS)
    status = OPENCL(run)(net, (const void *const *)inputs, (void *const *)outputs);
  if (status != CL_SUCCESS) {
    fprintf(stderr, "error: OpenCL says %d\n%s", (int)status, log);
    return 3;
  }
  OPENCL(close)(net);
  for (int i = 0; i < made; i++)
    if (!write_file(words[2 + given + i], outputs[i], output_bytes[i])) return 1;
  for (int i = 0; i < given; i++) free(inputs[i]);
  for (int i = 0; i < made; i++) free(outputs[i]);
  free(weights);
  return 0;
}
#endif
